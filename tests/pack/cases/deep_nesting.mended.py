"""Choose who may open a door."""


def may_open(person: dict, door: dict, hour: int) -> bool:
    """Whether the person may open the door at this hour."""
    if not person or not door or door["broken"] or person["blocked"]:
        return False
    shares_group = any(group in door["groups"] for group in person["groups"])
    return shares_group and _is_open(door, hour)


def _is_open(door: dict, hour: int) -> bool:
    """Whether one of the door's spans holds the hour."""
    return any(span["from"] <= hour < span["to"] for span in door["hours"])
