"""Choose who may open a door."""


def may_open(person: dict, door: dict, hour: int) -> bool:
    """Whether the person may open the door at this hour."""
    if person:
        if door:
            if not door["broken"]:
                for group in person["groups"]:
                    if group in door["groups"]:
                        for span in door["hours"]:
                            if span["from"] <= hour:
                                if hour < span["to"]:
                                    if not person["blocked"]:
                                        return True
    return False
