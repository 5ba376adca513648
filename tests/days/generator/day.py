"""A day as it is told: messages of the national interface, each beside its truth."""

import copy
import json
import random
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

MINUTE, HOUR, A_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)
# How the codes of a row are spelled, to be chosen from at random.
NODES = ("list", "list", "list", "text", "misspelt")
ONE_CODE_NODES = NODES + ("object", "object-text", "row-field")
# What a terse day leaves out besides blanks.
SPARE_FIELDS = ("psn_cert_type", "psn_name", "prsc_dr_name", "phar_name", "manu_date", "expy_end", "rx_flag",
                "fixmedins_hilist_id", "fixmedins_bchno", "sel_retn_opter_name", "hi_feesetl_type")
QUANTITIES = ("whole", "text", "four-places", "point-zero")


@dataclass
class Line:
    """One row. `quantity` None = as many whole packs as there are codes; `node` = how the codes are spelled."""

    drug: object
    codes: list
    quantity: object = None
    split: bool = False
    price: object = None
    node: str | None = None
    fields: dict = field(default_factory=dict)

    def units(self):
        if self.quantity is not None:
            return Decimal(str(self.quantity))
        return Decimal((self.drug.units or 1) * max(1, len(self.codes)))


@dataclass
class Told:
    """A message that was told, for stories that come back to it."""

    where: object
    message: dict
    lines: list
    document: str
    visit: str


class Day:
    def __init__(self, world, start, seed, terse=False):
        self.world, self.start, self.terse = world, start, terse
        self.rng = random.Random(seed)
        self.entries, self.numbers = [], 0
        self.common = []
        # Boxes that were spoken of, how they are named whatever was scanned, and the cases that follow.
        self.spoken, self.named, self.cases = set(), {}, []
        # Boxes of which a case knows nothing but attempts.
        self.attempted = set()

    # -- who and what ------------------------------------------------------------------------------------

    def pick(self, kind, count=1):
        """Different institutions of a kind, ordinary in every way."""
        return self.rng.sample([i for i in self.world.cast if i.kind == kind], count)

    def anyone(self):
        return self.pick(self.rng.choice(["pharmacy", "pharmacy", "hospital"]))[0]

    def line(self, drug=None, packs=None, units=None, **more):
        """Fresh boxes of a drug, of one with so many `units` in the pack, or of any common one."""
        fit = [d for d in self.common if units is None or d.units == units]
        drug = drug or self.rng.choice(fit)
        packs = packs or self.rng.choice([1, 1, 1, 2, 2, 3])
        return Line(drug, [self.world.code(drug) for _ in range(packs)], **more)

    def number(self, letters):
        self.numbers += 1
        return f"{letters}{self.start:%m%d}{self.numbers:07}"

    # -- what is said ------------------------------------------------------------------------------------

    def sale(self, at, where, lines, verdict="ALLOW", must=(), *, tag, document=None, visit=None, event=None,
             insured=True, infno=None, node=None, **truth):
        """A sale as 3505 or 3505A. `event` = when it happened; `node` = how the rows are spelled."""
        document, visit = document or self.number("RD"), visit or self.number("MV")
        infno = infno or ("3505A" if len(lines) > 1 else self.rng.choice(["3505", "3505A"]))
        node = node or ("detail" if infno == "3505A" else "object")
        rows = [self.sale_row(line, event or at, document, visit, insured) for line in lines]
        for line in lines:
            self.world.stock(where, line.drug)
        return self.say(at, where, infno, rows_node(rows, node), (lines, document, visit), verdict, must,
                        tag=tag, **truth)

    def settle(self, at, where, lines, verdict="ALLOW", must=(), *, tag, visit, **truth):
        """The same dispensing as a node of the settlement message 2207: no document, no quantity."""
        entries = []
        for line in lines:
            self.world.stock(where, line.drug)
            for code in line.codes:
                entries.append({"feedetl_sn": str(len(entries) + 1), "drug_trac_codg": code,
                                "trdn_flag": str(int(line.split)), "min_prcunt_type": "2"})
        data = {"mdtrt_id": visit, "psn_setlway": "01", "medfee_sumamt": "10.00", "chrg_bchno": "B1",
                "insutype": "310", "acct_used_flag": "0", "psn_no": ""}
        payload = {"data": data, "drug_trac_info": entries}
        return self.say(at, where, "2207", payload, (lines, "", visit), verdict, must, tag=tag, **truth)

    def give_back(self, at, where, lines, verdict="ALLOW", must=(), *, tag, visit="", event=None, infno="3506",
                  **truth):
        """A sale return: it names no document."""
        rows = [self.return_row(line, event or at, visit) for line in lines]
        node = "detail" if infno == "3506A" or len(rows) > 1 else "object"
        return self.say(at, where, infno, rows_node(rows, node), (lines, "", visit), verdict, must, tag=tag,
                        **truth)

    def again(self, told, at, verdict="ALLOW", must=(), *, tag, respell=False, **truth):
        """The same message once more, with a new `msgid`; respelled = the same said with other spellings."""
        payload = copy.deepcopy(told.message["input"])
        if respell:
            for row in rows_of(payload):
                row["sel_retn_cnt"] = respelled(row["sel_retn_cnt"])
                row["sel_retn_time"] = respelled_time(row["sel_retn_time"])
        of = (told.lines, told.document, told.visit)
        return self.say(at, told.where, told.message["infno"], payload, of, verdict, must, tag=tag, **truth)

    def say(self, at, where, infno, payload, of, verdict, must, *, tag, boxes=None, **truth):
        """`boxes` = the only ones that a case is about."""
        lines, document, visit = of
        message = self.envelope(at, where, infno)
        message["input"] = payload
        self.note(at, as_json(message), verdict, must, tag=tag, **truth)
        sold = verdict in ("ALLOW", "REMIND") or bool(truth.get("recorded"))
        self.follow(lines, [must] if isinstance(must, str) else must, tag, boxes, sold)
        return Told(where, message, lines, document, visit)

    def note(self, at, text, verdict, must=(), *, tag, forbid=(), roles=(), recorded=None, error=False):
        """One line of the file and its truth. A reason is written `REASON` or `REASON/CLASS`."""
        must = [must] if isinstance(must, str) else list(must)
        due = [[*reason.split("/"), None][:2] for reason in must]
        not_due = [] if any(reason == "DUPLICATE" for reason, _ in due) else ["DUPLICATE"]
        truth = {"tag": tag, "verdict": verdict, "must": due, "forbid": not_due + list(forbid)}
        if roles:
            truth["roles"] = [list(role) for role in roles]
        if recorded is not None:
            truth["recorded"] = recorded
        if error:
            truth["error"] = True
        self.entries.append((at, len(self.entries), text, truth))

    # -- what follows for the bureau ---------------------------------------------------------------------

    def follow(self, lines, must, tag, only, sold):
        """A box that was spoken of before and is a duplicate now has a case, of the first class that is told; a
        sale says more than an attempt that was blocked before it. Whoever comes while it is open joins it. The
        audit of the night pushes what is open."""
        boxes = [self.named.get(code, code) for line in lines for code in line.codes]
        classes = [reason.rpartition("/")[2] for reason in must if reason.startswith(("DUPLICATE", "SPLIT_ELSEWHERE"))]
        for box in (only or boxes) if classes else []:
            if box not in self.spoken:
                continue
            known = [case for case in self.cases if case["code"] == box and "ending" not in case]
            if not known:
                self.cases.append({"code": box, "class": classes[0], "state": "PUSHED", "tag": tag})
            elif sold and box in self.attempted:
                known[0]["class"] = classes[0]
            if sold:
                self.attempted.discard(box)
            elif not known:
                self.attempted.add(box)
        self.spoken.update(boxes)

    def closes(self, box, ending):
        """The open case of a box ends by itself."""
        [case] = [case for case in self.cases if case["code"] == box and "ending" not in case]
        case |= {"state": "CLOSED", "ending": ending}

    # -- how it is spelled -------------------------------------------------------------------------------

    def envelope(self, at, where, infno):
        full = {
            "infno": infno, "msgid": f"{where.code}{at:%Y%m%d%H%M%S}{self.rng.randint(0, 9999):04}",
            "mdtrtarea_admvs": where.division, "insuplc_admdvs": where.division, "recer_sys_code": "YBXT",
            "dev_no": "", "dev_safe_info": "", "cainfo": "", "signtype": "SM2", "infver": "V1.0",
            "opter_type": "1", "opter": "0042", "opter_name": "测试操作员",
            "inf_time": f"{at:%Y-%m-%d %H:%M:%S}", "fixmedins_code": where.code, "fixmedins_name": where.name,
            "sign_no": "",
        }
        return without_blanks(full) if self.terse else full

    def common_row(self, line, event, visit):
        blank = "" if self.rng.random() < 0.15 else " "
        return {
            "med_list_codg": line.drug.catalog_code, "fixmedins_hilist_id": f"Y{line.drug.prefix[-7:]}",
            "fixmedins_hilist_name": line.drug.name, "fixmedins_bchno": "L2601", "setl_id": "",
            "mdtrt_sn": visit, "psn_no": "", "psn_cert_type": "01", "certno": "",
            "psn_name": f"测试患者{self.rng.randint(0, 9999):04}", "manu_lotnum": "L2601",
            "manu_date": "2025-11-01", "expy_end": "2027-10-31", "rx_flag": "1",
            "trdn_flag": self.rng.choice([str, str, int])(int(line.split)),
            "sel_retn_cnt": spelled(line.units(), self.rng.choice(QUANTITIES)),
            "sel_retn_time": f"{event:%Y-%m-%d}{blank}{event:%H:%M:%S}", "sel_retn_opter_name": "测试药师",
            "memo": "",
        }

    def sale_row(self, line, event, document, visit, insured):
        row = self.common_row(line, event, visit)
        price = Decimal(str(line.price)) if line.price is not None else line.drug.unit_price()
        row |= {
            "prsc_dr_name": "测试医师", "phar_name": "测试药师", "phar_prac_cert_no": "",
            "hi_feesetl_type": "1" if insured else "0", "rtal_docno": document,
            "setl_id": f"SE{document[2:]}" if insured else "",
            "finl_trns_pric": self.rng.choice([f"{price:.4f}", f"{price:.6f}", float(price)]),
            "mdtrt_setl_type": "1" if insured else "2",
        }
        return self.finish_row(row, line)

    def return_row(self, line, event, visit):
        row = self.common_row(line, event, visit)
        row |= {"finl_trns_pric": f"{line.drug.unit_price():.4f}"}
        return self.finish_row(row, line)

    def finish_row(self, row, line):
        if self.terse:
            row = without_blanks({name: value for name, value in row.items() if name not in SPARE_FIELDS})
        node = line.node or self.rng.choice(ONE_CODE_NODES if len(line.codes) == 1 else NODES)
        if not line.codes:
            node = line.node or self.rng.choice(["list", "text", "absent", "null", "blank"])
        row |= codes_node(line.codes, node)
        row |= line.fields
        return {name: value for name, value in row.items() if value is not ...}

    # -- how it is written -------------------------------------------------------------------------------

    def files(self, messages="messages.jsonl", truths="truth.jsonl", cases="cases.jsonl"):
        ordered = sorted(self.entries, key=lambda entry: entry[:2])
        texts = [text for _, _, text, _ in ordered]
        labels = [as_json({"n": n} | truth, spaced=True) for n, (*_, truth) in enumerate(ordered, 1)]
        left = [as_json(case, spaced=True) for case in sorted(self.cases, key=lambda case: case["code"])]
        lines = {messages: texts, truths: labels, cases: left}
        return self.world.files() | {name: "\n".join(rows) + "\n" for name, rows in lines.items()}


def rows_node(rows, node):
    """`object` and `array` are 3505's selinfo, `detail` is the A-variant's node."""
    if node == "detail":
        return {"selinfoDetail": rows}
    return {"selinfo": rows if node == "array" or len(rows) > 1 else rows[0]}


def rows_of(payload):
    rows = payload.get("selinfoDetail") or payload.get("selinfo")
    return rows if isinstance(rows, list) else [rows]


def codes_node(codes, node):
    """The codes of a row in one of the shapes that clients give them."""
    name = "drug_trac_code" if node == "misspelt" else "drug_trac_codg"
    entries = [{name: code} for code in codes]
    match node:
        case "object":
            return {"drugtracinfo": entries[0]}
        case "text":
            return {"drugtracinfo": as_json(entries)}
        case "object-text":
            return {"drugtracinfo": as_json(entries[0])}
        case "row-field":
            return {"drug_trac_codg": codes[0]}
        case "absent":
            return {}
        case "null":
            return {"drugtracinfo": None}
        case "blank":
            return {"drugtracinfo": ""}
        case _:
            return {"drugtracinfo": entries}


def spelled(units, style):
    """A quantity as a number or as text, with or without places."""
    is_whole = units == units.to_integral_value()
    if style == "whole":
        return int(units) if is_whole else float(units)
    if style == "point-zero":
        return float(units)
    return f"{units:.4f}" if style == "four-places" or not is_whole else f"{int(units)}"


def respelled(quantity):
    units = Decimal(str(quantity))
    return spelled(units, "four-places" if not isinstance(quantity, str) else "whole")


def respelled_time(text):
    """yyyy-MM-dd HH:mm:ss with the blank where it was not, without where it was."""
    return text.replace(" ", "") if " " in text else f"{text[:10]} {text[10:]}"


def without_blanks(fields):
    return {name: value for name, value in fields.items() if value != ""}


def as_json(value, spaced=False):
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": ") if spaced else (",", ":"))
