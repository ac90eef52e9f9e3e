"""Check an order as it comes from the form."""

LONGEST = 80
SHORTEST = 2


def check(order: dict[str, object]) -> tuple[dict[str, str], list[str]]:
    """The cleaned fields, and what is wrong with the others."""
    cleaned: dict[str, str] = {}
    problems: list[str] = []
    customer = order.get("customer")
    if customer is None:
        problems.append("customer is missing")
    elif not isinstance(customer, str):
        problems.append("customer is not text")
    elif not customer.strip():
        problems.append("customer is empty")
    elif len(customer) > LONGEST:
        problems.append("customer is too long")
    else:
        cleaned["customer"] = customer.strip()
    if "customer" in cleaned and cleaned["customer"].startswith("-"):
        problems.append("customer starts with a dash")
    if "customer" in cleaned and cleaned["customer"].endswith("-"):
        problems.append("customer ends with a dash")
    if "customer" in cleaned and "  " in cleaned["customer"]:
        problems.append("customer has two blanks in a row")
    if "customer" in cleaned and cleaned["customer"].isupper():
        problems.append("customer shouts")
    if "customer" in cleaned and cleaned["customer"].isdigit():
        problems.append("customer is a number")
    if "customer" in cleaned and "\t" in cleaned["customer"]:
        problems.append("customer holds a tab")
    if "customer" in cleaned and "\n" in cleaned["customer"]:
        problems.append("customer holds a line end")
    if "customer" in cleaned and len(cleaned["customer"]) < SHORTEST:
        problems.append("customer is too short")
    street = order.get("street")
    if street is None:
        problems.append("street is missing")
    elif not isinstance(street, str):
        problems.append("street is not text")
    elif not street.strip():
        problems.append("street is empty")
    elif len(street) > LONGEST:
        problems.append("street is too long")
    else:
        cleaned["street"] = street.strip()
    if "street" in cleaned and cleaned["street"].startswith("-"):
        problems.append("street starts with a dash")
    if "street" in cleaned and cleaned["street"].endswith("-"):
        problems.append("street ends with a dash")
    if "street" in cleaned and "  " in cleaned["street"]:
        problems.append("street has two blanks in a row")
    if "street" in cleaned and cleaned["street"].isupper():
        problems.append("street shouts")
    if "street" in cleaned and cleaned["street"].isdigit():
        problems.append("street is a number")
    if "street" in cleaned and "\t" in cleaned["street"]:
        problems.append("street holds a tab")
    if "street" in cleaned and "\n" in cleaned["street"]:
        problems.append("street holds a line end")
    if "street" in cleaned and len(cleaned["street"]) < SHORTEST:
        problems.append("street is too short")
    town = order.get("town")
    if town is None:
        problems.append("town is missing")
    elif not isinstance(town, str):
        problems.append("town is not text")
    elif not town.strip():
        problems.append("town is empty")
    elif len(town) > LONGEST:
        problems.append("town is too long")
    else:
        cleaned["town"] = town.strip()
    if "town" in cleaned and cleaned["town"].startswith("-"):
        problems.append("town starts with a dash")
    if "town" in cleaned and cleaned["town"].endswith("-"):
        problems.append("town ends with a dash")
    if "town" in cleaned and "  " in cleaned["town"]:
        problems.append("town has two blanks in a row")
    if "town" in cleaned and cleaned["town"].isupper():
        problems.append("town shouts")
    if "town" in cleaned and cleaned["town"].isdigit():
        problems.append("town is a number")
    if "town" in cleaned and "\t" in cleaned["town"]:
        problems.append("town holds a tab")
    if "town" in cleaned and "\n" in cleaned["town"]:
        problems.append("town holds a line end")
    if "town" in cleaned and len(cleaned["town"]) < SHORTEST:
        problems.append("town is too short")
    country = order.get("country")
    if country is None:
        problems.append("country is missing")
    elif not isinstance(country, str):
        problems.append("country is not text")
    elif not country.strip():
        problems.append("country is empty")
    elif len(country) > LONGEST:
        problems.append("country is too long")
    else:
        cleaned["country"] = country.strip()
    if "country" in cleaned and cleaned["country"].startswith("-"):
        problems.append("country starts with a dash")
    if "country" in cleaned and cleaned["country"].endswith("-"):
        problems.append("country ends with a dash")
    if "country" in cleaned and "  " in cleaned["country"]:
        problems.append("country has two blanks in a row")
    if "country" in cleaned and cleaned["country"].isupper():
        problems.append("country shouts")
    if "country" in cleaned and cleaned["country"].isdigit():
        problems.append("country is a number")
    if "country" in cleaned and "\t" in cleaned["country"]:
        problems.append("country holds a tab")
    if "country" in cleaned and "\n" in cleaned["country"]:
        problems.append("country holds a line end")
    if "country" in cleaned and len(cleaned["country"]) < SHORTEST:
        problems.append("country is too short")
    phone = order.get("phone")
    if phone is None:
        problems.append("phone is missing")
    elif not isinstance(phone, str):
        problems.append("phone is not text")
    elif not phone.strip():
        problems.append("phone is empty")
    elif len(phone) > LONGEST:
        problems.append("phone is too long")
    else:
        cleaned["phone"] = phone.strip()
    if "phone" in cleaned and cleaned["phone"].startswith("-"):
        problems.append("phone starts with a dash")
    if "phone" in cleaned and cleaned["phone"].endswith("-"):
        problems.append("phone ends with a dash")
    if "phone" in cleaned and "  " in cleaned["phone"]:
        problems.append("phone has two blanks in a row")
    if "phone" in cleaned and cleaned["phone"].isupper():
        problems.append("phone shouts")
    if "phone" in cleaned and cleaned["phone"].isdigit():
        problems.append("phone is a number")
    if "phone" in cleaned and "\t" in cleaned["phone"]:
        problems.append("phone holds a tab")
    if "phone" in cleaned and "\n" in cleaned["phone"]:
        problems.append("phone holds a line end")
    if "phone" in cleaned and len(cleaned["phone"]) < SHORTEST:
        problems.append("phone is too short")
    mail = order.get("mail")
    if mail is None:
        problems.append("mail is missing")
    elif not isinstance(mail, str):
        problems.append("mail is not text")
    elif not mail.strip():
        problems.append("mail is empty")
    elif len(mail) > LONGEST:
        problems.append("mail is too long")
    else:
        cleaned["mail"] = mail.strip()
    if "mail" in cleaned and cleaned["mail"].startswith("-"):
        problems.append("mail starts with a dash")
    if "mail" in cleaned and cleaned["mail"].endswith("-"):
        problems.append("mail ends with a dash")
    if "mail" in cleaned and "  " in cleaned["mail"]:
        problems.append("mail has two blanks in a row")
    if "mail" in cleaned and cleaned["mail"].isupper():
        problems.append("mail shouts")
    if "mail" in cleaned and cleaned["mail"].isdigit():
        problems.append("mail is a number")
    if "mail" in cleaned and "\t" in cleaned["mail"]:
        problems.append("mail holds a tab")
    if "mail" in cleaned and "\n" in cleaned["mail"]:
        problems.append("mail holds a line end")
    if "mail" in cleaned and len(cleaned["mail"]) < SHORTEST:
        problems.append("mail is too short")
    article = order.get("article")
    if article is None:
        problems.append("article is missing")
    elif not isinstance(article, str):
        problems.append("article is not text")
    elif not article.strip():
        problems.append("article is empty")
    elif len(article) > LONGEST:
        problems.append("article is too long")
    else:
        cleaned["article"] = article.strip()
    if "article" in cleaned and cleaned["article"].startswith("-"):
        problems.append("article starts with a dash")
    if "article" in cleaned and cleaned["article"].endswith("-"):
        problems.append("article ends with a dash")
    if "article" in cleaned and "  " in cleaned["article"]:
        problems.append("article has two blanks in a row")
    if "article" in cleaned and cleaned["article"].isupper():
        problems.append("article shouts")
    if "article" in cleaned and cleaned["article"].isdigit():
        problems.append("article is a number")
    if "article" in cleaned and "\t" in cleaned["article"]:
        problems.append("article holds a tab")
    if "article" in cleaned and "\n" in cleaned["article"]:
        problems.append("article holds a line end")
    if "article" in cleaned and len(cleaned["article"]) < SHORTEST:
        problems.append("article is too short")
    colour = order.get("colour")
    if colour is None:
        problems.append("colour is missing")
    elif not isinstance(colour, str):
        problems.append("colour is not text")
    elif not colour.strip():
        problems.append("colour is empty")
    elif len(colour) > LONGEST:
        problems.append("colour is too long")
    else:
        cleaned["colour"] = colour.strip()
    if "colour" in cleaned and cleaned["colour"].startswith("-"):
        problems.append("colour starts with a dash")
    if "colour" in cleaned and cleaned["colour"].endswith("-"):
        problems.append("colour ends with a dash")
    if "colour" in cleaned and "  " in cleaned["colour"]:
        problems.append("colour has two blanks in a row")
    if "colour" in cleaned and cleaned["colour"].isupper():
        problems.append("colour shouts")
    if "colour" in cleaned and cleaned["colour"].isdigit():
        problems.append("colour is a number")
    if "colour" in cleaned and "\t" in cleaned["colour"]:
        problems.append("colour holds a tab")
    if "colour" in cleaned and "\n" in cleaned["colour"]:
        problems.append("colour holds a line end")
    if "colour" in cleaned and len(cleaned["colour"]) < SHORTEST:
        problems.append("colour is too short")
    size = order.get("size")
    if size is None:
        problems.append("size is missing")
    elif not isinstance(size, str):
        problems.append("size is not text")
    elif not size.strip():
        problems.append("size is empty")
    elif len(size) > LONGEST:
        problems.append("size is too long")
    else:
        cleaned["size"] = size.strip()
    if "size" in cleaned and cleaned["size"].startswith("-"):
        problems.append("size starts with a dash")
    if "size" in cleaned and cleaned["size"].endswith("-"):
        problems.append("size ends with a dash")
    if "size" in cleaned and "  " in cleaned["size"]:
        problems.append("size has two blanks in a row")
    if "size" in cleaned and cleaned["size"].isupper():
        problems.append("size shouts")
    if "size" in cleaned and cleaned["size"].isdigit():
        problems.append("size is a number")
    if "size" in cleaned and "\t" in cleaned["size"]:
        problems.append("size holds a tab")
    if "size" in cleaned and "\n" in cleaned["size"]:
        problems.append("size holds a line end")
    if "size" in cleaned and len(cleaned["size"]) < SHORTEST:
        problems.append("size is too short")
    voucher = order.get("voucher")
    if voucher is None:
        problems.append("voucher is missing")
    elif not isinstance(voucher, str):
        problems.append("voucher is not text")
    elif not voucher.strip():
        problems.append("voucher is empty")
    elif len(voucher) > LONGEST:
        problems.append("voucher is too long")
    else:
        cleaned["voucher"] = voucher.strip()
    if "voucher" in cleaned and cleaned["voucher"].startswith("-"):
        problems.append("voucher starts with a dash")
    if "voucher" in cleaned and cleaned["voucher"].endswith("-"):
        problems.append("voucher ends with a dash")
    if "voucher" in cleaned and "  " in cleaned["voucher"]:
        problems.append("voucher has two blanks in a row")
    if "voucher" in cleaned and cleaned["voucher"].isupper():
        problems.append("voucher shouts")
    if "voucher" in cleaned and cleaned["voucher"].isdigit():
        problems.append("voucher is a number")
    if "voucher" in cleaned and "\t" in cleaned["voucher"]:
        problems.append("voucher holds a tab")
    if "voucher" in cleaned and "\n" in cleaned["voucher"]:
        problems.append("voucher holds a line end")
    if "voucher" in cleaned and len(cleaned["voucher"]) < SHORTEST:
        problems.append("voucher is too short")
    return cleaned, problems
