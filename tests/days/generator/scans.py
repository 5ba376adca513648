"""Stories of what a scanner sends: spellings of one code, GS1 texts, wrong scans, shapes of the message."""

from . import codes
from .day import HOUR, MINUTE, Line

LOT, EXPIRY = "KP7", "271130"


def noise(day, t):
    """Case 25: every spelling is the same box."""
    [where] = day.pick("pharmacy")
    for at, name in enumerate(codes.noisy("8" * 20)):
        line = day.line(packs=1)
        plain, spelling = line.codes[0], codes.noisy(line.codes[0])[name]
        day.named[spelling] = plain
        first, second = (plain, spelling) if at % 2 else (spelling, plain)
        day.sale(t, where, [Line(line.drug, [first])], tag=f"noise-{name}")
        day.sale(t + HOUR, where, [Line(line.drug, [second])], "BLOCK", "DUPLICATE/SAME_INSTITUTION",
                 tag=f"noise-{name}-dup", roles=[(plain, "LATER")])
        t += 7 * MINUTE


def gs1_texts(gtin, serial):
    """Case 26: one identity in every lawful layout. Lot and expiry are no part of it."""
    return {
        "fnc1": codes.gs1(gtin, serial, LOT, EXPIRY),
        "other-order": codes.gs1(gtin, serial, LOT, EXPIRY, order="21 10 17 01"),
        "brackets": codes.gs1_in_brackets(gtin, serial, LOT, EXPIRY),
        "brackets-other-order": codes.gs1_in_brackets(gtin, serial, LOT, EXPIRY, order="21 17 01 10"),
        "symbology": codes.gs1(gtin, serial, LOT, EXPIRY, front="]d2"),
        "leading-fnc1": codes.gs1(gtin, serial, LOT, EXPIRY, front="\x1d"),
        "visible-fnc1": codes.gs1(gtin, serial, LOT, EXPIRY, separator="<GS>"),
        "one-reading": codes.gs1(gtin, serial, "", EXPIRY),
        "month-only": codes.gs1(gtin, serial, LOT, "271100"),
        "serial-alone": codes.gs1(gtin, serial),
    }


def gs1(day, t, drug):
    [where] = day.pick("pharmacy")
    names = list(gs1_texts(drug.prefix, "K"))
    for at, name in enumerate(names):
        serial = day.world.serial()
        texts = gs1_texts(drug.prefix, serial)
        day.named |= dict.fromkeys(texts.values(), codes.gs1_in_brackets(drug.prefix, serial))
        day.sale(t, where, [Line(drug, [texts[name]])], tag=f"gs1-{name}")
        day.sale(t + HOUR, where, [Line(drug, [texts[names[at - 1]]])], "BLOCK", "DUPLICATE/SAME_INSTITUTION",
                 tag=f"gs1-{name}-dup")
        t += 5 * MINUTE


def gs1_not_judged(day, t, drug, kind):
    """Case 26: no serial, or more than one way to read it. The same text again is no duplicate."""
    [where] = day.pick(kind)
    no_serial = codes.gs1(drug.prefix, "", LOT, EXPIRY)
    lost = codes.gs1(drug.prefix, day.world.serial(), "KP", EXPIRY, separator="")
    for text, tag in ((no_serial, "serial-missing"), (lost, "fnc1-lost")):
        for _ in range(2):
            t += MINUTE
            day.sale(t, where, [Line(drug, [text])], "REMIND", "SERIAL_MISSING", tag=tag)


def gs1_wrong(day, t, drug, kind):
    """Case 27."""
    [where] = day.pick(kind)
    gtin, serial = drug.prefix, day.world.serial()
    bad_check = gtin[:-1] + str((int(gtin[-1]) + 1) % 10)
    texts = {
        "check-digit": codes.gs1(bad_check, serial, LOT, EXPIRY),
        "month": codes.gs1(gtin, serial, LOT, "271330"),
        "day": codes.gs1(gtin, serial, LOT, "270230"),
        "long-serial": codes.gs1(gtin, serial * 3, LOT, EXPIRY),
        "long-lot": codes.gs1_in_brackets(gtin, serial, LOT * 7, EXPIRY),
    }
    for name, text in texts.items():
        t += MINUTE
        day.sale(t, where, [Line(drug, [text])], "BLOCK", "CODE_MALFORMED", tag=f"gs1-bad-{name}", recorded=False)


def mistakes(day, code):
    """Case 28: what is scanned instead of a code, and texts that are no code of any family."""
    digits = "".join(day.rng.choices("0123456789", k=19))
    return {
        "PRODUCT_BARCODE": [codes.barcode(int(digits[:9]))],
        "CATALOG_CODE": [day.rng.choice(day.common).catalog_code],
        "NATIONAL_DRUG_CODE": ["869" + digits[:11]],
        "CONSUMABLE_CODE": ["C" + digits],
        "FOREIGN_URL": [f"https://trace.example.com/look?code={code}", "http://shop.example.com/p/1"],
        "CODE_MALFORMED": [code[:19], code + "7", "7" + code[1:], f"{code[:9]}O{code[10:]}", code + code, "8123"],
        "CODE_CORRUPTED": [f"{code[0]}.{code[1:6]}E+19"],
    }


def wrong_scans(day, t, kind, insured=True):
    """Nothing is claimed; the right code goes through afterwards. Self-paid: reminded, not blocked."""
    [where] = day.pick(kind)
    line = day.line(packs=1)
    verdict = "BLOCK" if insured else "REMIND"
    pay = "" if insured else "-selfpaid"
    for reason, texts in mistakes(day, line.codes[0]).items():
        for text in texts if insured else texts[:1]:
            t += MINUTE
            day.sale(t, where, [Line(line.drug, [text])], verdict, reason, insured=insured,
                     tag=f"wrong-scan-{reason}{pay}")
    day.sale(t + MINUTE, where, [line], insured=insured, tag="wrong-scan-corrected", recorded=True)


def wrong_scan(day, t):
    """One mistake, for days that are not about them."""
    line = day.line(packs=1)
    reason, texts = day.rng.choice(list(mistakes(day, line.codes[0]).items()))
    day.sale(t, day.anyone(), [Line(line.drug, texts[:1])], "BLOCK", reason, tag=f"wrong-scan-{reason}")


def placeholder(day, t, kind):
    """Case 29: never indexed, so never a duplicate, however many boxes it stands for."""
    [where] = day.pick(kind)
    for text in ("9" * 20, "0" * 20):
        one, two = day.line(packs=1), day.line(packs=2)
        day.sale(t, where, [Line(one.drug, [text])], "BLOCK", "PLACEHOLDER_CODE", tag="placeholder",
                 recorded=False)
        day.sale(t + MINUTE, where, [Line(two.drug, [text] * 2)], "BLOCK", "PLACEHOLDER_CODE",
                 forbid=["CODE_REPEATED"], tag="placeholder-again")
        t += 5 * MINUTE


def shapes(day, t):
    """The variants of the interface. That a code was read shows when it is sold again."""
    [where] = day.pick("pharmacy")
    containers = [("3505", "object"), ("3505", "array"), ("3505A", "detail")]
    nodes = ["list", "text", "misspelt", "object", "object-text", "row-field"]
    for infno, node in containers:
        for codes_as in nodes:
            packs = 1 if codes_as in ("object", "object-text", "row-field") else 2
            line = day.line(packs=packs, node=codes_as)
            tag = f"shape-{infno}-{node}-{codes_as}"
            day.sale(t, where, [line], infno=infno, node=node, tag=tag)
            last = Line(line.drug, line.codes[-1:], node="list")
            day.sale(t + HOUR, where, [last], "BLOCK", "DUPLICATE/SAME_INSTITUTION", tag=f"{tag}-dup")
            t += 2 * MINUTE


def node_beats_old_field(day, t):
    """The node replaced the old single field: with both, the node counts; an empty node leaves the field."""
    [where] = day.pick("pharmacy")
    line = day.line(packs=1)
    both = Line(line.drug, line.codes, node="list", fields={"drug_trac_codg": line.codes[0]})
    empty = day.line(packs=1)
    old = Line(empty.drug, empty.codes, fields={"drug_trac_codg": empty.codes[0], "drugtracinfo": []})
    for row, name in ((both, "both"), (old, "empty-node")):
        day.sale(t, where, [row], tag=f"old-field-{name}")
        again = Line(row.drug, row.codes, node="list")
        day.sale(t + HOUR, where, [again], "BLOCK", "DUPLICATE/SAME_INSTITUTION", tag=f"old-field-{name}-dup")
        t += MINUTE


def settlement_type(day, t):
    """Domain §7: without `mdtrt_setl_type` a sale is insured if it has a `setl_id`."""
    [where] = day.pick("pharmacy")
    untold = {"mdtrt_setl_type": ...}
    for settlement, verdict, must in (("SE1", "BLOCK", "NO_CODE"), ("", "ALLOW", ())):
        line = Line(day.line().drug, [], fields=untold | {"setl_id": settlement})
        day.sale(t, where, [line], verdict, must, tag="settlement-type-untold",
                 forbid=[] if must else ["NO_CODE"])
        t += MINUTE
