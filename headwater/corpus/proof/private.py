"""Personal data made by rules of its own, for planting in real text; shares no code with the detectors (privacy).

In: a text, a kind, a source of draws. Out: the text with one line more, and where the item in it stands.
"""

from __future__ import annotations

import random
import string

WIN = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]  # GB 11643, table of weights
BANKS = {"DE": 18, "FR": 23, "ES": 20, "CH": 17, "AT": 16, "FI": 14}  # digits after the check digits
KINDS = ("email", "phone", "ip", "chinese_id", "card", "iban", "passport", "secret")


def digits(draw: random.Random, count: int, first: str = string.digits) -> str:
    return draw.choice(first) + "".join(draw.choice(string.digits) for _ in range(count - 1)) if count else ""


def letters(draw: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(draw.choice(alphabet) for _ in range(count))


def email(draw: random.Random) -> str:
    local = draw.choice(["{a}", "{a}.{b}", "{a}_{b}", "{a}{n}", "{a}+{b}"])
    names = ["anna", "bruno", "carla", "deng", "erik", "fatima", "guo", "hana", "ivan", "jing"]
    local = local.format(a=draw.choice(names), b=draw.choice(names), n=draw.randint(1, 9999))
    return f"{local}@{draw.choice(['gmail.com', 'qq.com', '126.com', 'mail.uni-bonn.de', 'yahoo.co.jp', 'corp.io', 'pku.edu.cn'])}"


def phone(draw: random.Random) -> str:
    area, exchange = digits(draw, 3, "2345678"), digits(draw, 3, "23456789")
    area = area[:1] + draw.choice("023456789") + area[2]
    forms = [
        f"({area}) {exchange}-{digits(draw, 4, '23456789')}",
        f"{area}-{exchange}-{digits(draw, 4, '23456789')}",
        f"+1 {area} {exchange} {digits(draw, 4, '23456789')}",
        draw.choice(["138", "139", "150", "159", "177", "186", "199"]) + digits(draw, 8, "23456789"),
        f"+86 {draw.choice(['137', '158', '188'])} {digits(draw, 4)} {digits(draw, 4, '1234')}",
        f"0{draw.choice(['10', '21', '755', '571', '431'])}-{digits(draw, 8, '2345678')}",
        f"+44 20 {digits(draw, 4, '78')} {digits(draw, 4, '23456789')}",
        f"+49 30 {digits(draw, 6, '23456789')}",
        f"+33 1 {digits(draw, 2, '4')} {digits(draw, 2)} {digits(draw, 2)} {digits(draw, 2)}",
    ]
    return draw.choice(forms)


def ip(draw: random.Random) -> str:
    if draw.random() < 0.3:
        return f"2{draw.choice('4a6')}0{draw.randint(1, 9)}:" + ":".join(f"{draw.randint(1, 65535):x}" for _ in range(7))
    first = draw.choice([5, 23, 45, 61, 88, 104, 123, 140, 185, 202, 210, 220])
    return f"{first}.{draw.randint(40, 250)}.{draw.randint(0, 255)}.{draw.randint(1, 254)}"


def chinese_id(draw: random.Random) -> str:
    region = draw.choice(["110105", "310101", "440305", "510107", "330102", "420106"])
    number = region + f"{draw.randint(1940, 2015)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}" + digits(draw, 3)
    rest = sum(weight * int(digit) for weight, digit in zip(WIN, number, strict=True)) % 11
    return number + str((12 - rest) % 11).replace("10", "X")


def card(draw: random.Random) -> str:
    length, prefix = draw.choice([(16, "4"), (16, "53"), (15, "37"), (16, "6011"), (19, "6222"), (16, "6225")])
    body = prefix + digits(draw, length - len(prefix) - 1)
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value // 10 + value % 10
    number = body + str(-total % 10)
    if length == 16 and draw.random() < 0.5:
        return draw.choice(" -").join(number[place : place + 4] for place in range(0, 16, 4))
    return number


def iban(draw: random.Random) -> str:
    country = draw.choice(sorted(BANKS))
    body = digits(draw, BANKS[country])
    as_number = body + "".join(str(ord(letter) - 55) for letter in country)
    number = f"{country}{98 - int(as_number + '00') % 97:02}{body}"
    return " ".join(number[place : place + 4] for place in range(0, len(number), 4)) if draw.random() < 0.5 else number


def passport(draw: random.Random) -> str:
    return draw.choice(
        [digits(draw, 9, "123456789"), "E" + digits(draw, 8), "G" + digits(draw, 8), letters(draw, 2, "ABCDE") + digits(draw, 7)]
    )


def secret(draw: random.Random) -> str:
    forms = [
        "AKIA" + letters(draw, 16, string.ascii_uppercase + "234567"),
        "ghp_" + letters(draw, 36),
        "glpat-" + letters(draw, 20),
        f"xoxb-{digits(draw, 12, '1234')}-{digits(draw, 12, '1234')}-{letters(draw, 24)}",
        "sk-" + letters(draw, 48),
        "AIza" + letters(draw, 35),
        "sk_live_" + letters(draw, 24),
        "hf_" + letters(draw, 34, string.ascii_letters),
        f"eyJ{letters(draw, 20)}.eyJ{letters(draw, 40)}.{letters(draw, 43)}",
    ]
    return draw.choice(forms)


LINES = {
    "email": ["Write to {} soon.", "邮箱是{}，请回复。", "<{}>", "contact={}"],
    "phone": ["Ring {} at noon.", "电话：{}。", "phone: {}", "联系人王五 {}"],
    "ip": ["from {} port 22", "服务器{}已重启", "host={}", "ping {}"],
    "chinese_id": ["身份证号{}。", "ID {} checked", "（{}）", "证件：{}"],
    "card": ["card {} was charged", "卡号：{}，", "pan={}", "paid with {}."],
    "iban": ["IBAN {}", "wire it to {}.", "账号：{}", "({})"],
    "passport": ["passport no. {}", "Passport number: {}", "护照号码：{}", "护照{}，有效"],
    "secret": ["key = '{}'", "use {} to log in", "密钥是{}。", "TOKEN={}"],
}
MAKE = {
    "email": email,
    "phone": phone,
    "ip": ip,
    "chinese_id": chinese_id,
    "card": card,
    "iban": iban,
    "passport": passport,
    "secret": secret,
}


def planted(text: str, kind: str, draw: random.Random) -> tuple[str, tuple[int, int, str]]:
    """The text with one more line that holds an item of the kind, and the item's span."""
    item = MAKE[kind](draw)
    before, after = draw.choice(LINES[kind]).split("{}")
    ends = [place for place, sign in enumerate(text) if sign == "\n"] or [len(text)]
    at = draw.choice(ends)
    start = at + 1 + len(before)
    return f"{text[:at]}\n{before}{item}{after}{text[at:]}", (start, start + len(item), kind)
