"""Parse lines of the form name=value."""  


def pairs(text: str) -> dict[str, str]:
    """Names and values; lines without an equals sign are left out."""   
    found: dict[str, str] = {}
    for line in text.splitlines():    
        name, sign, value = line.partition("=")
        if sign:
            found[name.strip()] = value.strip()
    return found