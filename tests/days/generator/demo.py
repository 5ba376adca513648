"""A small province and one morning at its counters: each verdict once or twice, in a readable order."""

from datetime import datetime, timedelta

from . import codes
from .day import Day, Line
from .world import World

DATE = datetime(2026, 3, 18)
CLOSE, SAME = "DUPLICATE/OTHER_INSTITUTION_CLOSE", "DUPLICATE/SAME_INSTITUTION"
# name, units in the pack, yuan per pack
COMMON = [
    ("阿莫西林胶囊", 24, "12.60"), ("布洛芬缓释胶囊", 20, "18.40"), ("盐酸二甲双胍片", 48, "21.12"),
    ("苯磺酸氨氯地平片", 28, "26.60"), ("阿托伐他汀钙片", 14, "33.60"), ("奥美拉唑肠溶胶囊", 14, "15.40"),
    ("氯雷他定片", 12, "16.80"), ("头孢克肟颗粒", 6, "23.40"), ("缬沙坦胶囊", 28, "30.80"), ("蒙脱石散", 10, "17.50"),
    ("阿卡波糖片", 30, "38.70"), ("硝苯地平控释片", 30, "42.90"), ("孟鲁司特钠片", 12, "37.20"), ("复方丹参滴丸", 180, "27.00"),
]


def clock(text):
    hours, minutes, *seconds = map(int, text.split(":"))
    return DATE + timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))


class Province:
    """Who sells, and what."""

    def __init__(self, world):
        made, drug = world.institution, world.drug
        self.world = world
        self.city = made("hospital", "130102", "石家庄市示例第一医院")
        self.children = made("hospital", "130104", "石家庄市示例儿童医院")
        self.county = made("hospital", "130123", "正定县示例人民医院")
        self.private = made("hospital", "130105", "石家庄市示例仁和医院", ownership="private")
        self.kang = made("pharmacy", "130102", "石家庄市示例康宁药房")
        self.hui = made("pharmacy", "130104", "石家庄市示例惠民药房")
        self.bai = made("pharmacy", "130105", "石家庄市示例百草药房")
        self.zheng = made("pharmacy", "130123", "正定县示例古城药房")
        self.closed = made("pharmacy", "130108", "石家庄市示例福寿药房", status="suspended")
        group = {"chain_group": "示例仁济连锁"}
        self.head = made("pharmacy", "130102", "示例仁济连锁总店", **group)
        self.west = made("pharmacy", "130104", "示例仁济连锁中山路店", **group)
        self.east = made("pharmacy", "130108", "示例仁济连锁裕华路店", **group)
        self.common = [drug(units, name, price=price) for name, units, price in COMMON]
        self.amoxicillin, self.ibuprofen, self.metformin, self.amlodipine = self.common[:4]
        self.prednisone = drug(100, "醋酸泼尼松片", price="14.00", must_split=True)
        self.salbutamol = drug(1, "硫酸沙丁胺醇吸入气雾剂", price="22.50", dosage_form="inhalation")
        self.saline = drug(40, "氯化钠注射液", "large", price="92.00", dosage_form="infusion", carton_only=True)
        self.astragalus = drug(1, "黄芪饮片", price="0.35", drug_class="tcm_pieces", dosage_form="pieces")
        self.insulin = drug(1, "甘精胰岛素注射液", gs1=True, price="77.98", dosage_form="injection")
        self.cough = drug(1, "强力枇杷露", price="19.80", drug_class="chinese_patent")
        self.eyedrops = drug(1, "玻璃酸钠滴眼液", price="29.60", everywhere=False)
        self.rare = drug(1, "盐酸氨溴索口服溶液", price="24.30", everywhere=False)
        self.scarce = drug(10, "奥司他韦胶囊", price="52.00", everywhere=False)
        self.dear = drug(10, "瑞舒伐他汀钙片", price="30.00", everywhere=False)
        self.loose = drug(None, "葡萄糖酸钙片", price="9.80")
        self.carton = drug(24, "阿莫西林胶囊(大箱)", "large", self.amoxicillin.catalog_code, price="12.60")
        self.lists()

    def lists(self):
        buy = self.world.buy
        buy(self.head, self.eyedrops, 60)
        buy(self.kang, self.scarce, 20)
        buy(self.private, self.dear, 1_000, source="filed")
        self.world.feed(self.zheng.code, DATE - timedelta(days=4))
        self.world.no_code_list.append([self.cough.catalog_code, "13", "2026-01-01", "2026-06-30", "2025年以前购入"])
        self.world.own_schemes.append(
            ["示例药业", "^SL[A-Za-z]{4}[0-9]{6}$", self.salbutamol.catalog_code, "small", 1])


def told():
    world = World("demo", "864")
    day, p = Day(world, DATE, "demo morning"), Province(world)
    day.common = p.common
    for stretch in (opening, duplicates, scans, splits, due_codes, purchases, reports):
        stretch(day, p)
    # Whoever could sell a common drug has it in stock, also for those who try more than the morning.
    for where in world.institutions:
        for drug in p.common:
            world.stock(where, drug)
    return day.files("morning.jsonl", "morning.truth.jsonl", "morning.cases.jsonl")


def opening(day, p):
    """08:00 ordinary sales, a retry, the second channel, a return and its resale."""
    a = day.sale(clock("08:00"), p.kang, [day.line(p.amoxicillin, 1)], tag="sale")
    day.sale(clock("08:02"), p.city, [day.line(p.metformin, 2), day.line(p.amlodipine, 1)], tag="sale")
    day.again(a, clock("08:03"), tag="retry")
    day.sale(clock("08:04"), p.hui, [day.line(p.ibuprofen, 1)], insured=False, tag="self-paid")
    lines, visit = [day.line(p.common[4], 2)], day.number("MV")
    day.settle(clock("08:06"), p.west, lines, visit=visit, tag="settlement-2207")
    day.sale(clock("08:07"), p.west, lines, visit=visit, tag="same-sale-3505")
    box = day.line(p.common[5], 1)
    sold = day.sale(clock("08:09"), p.bai, [box], tag="sale")
    day.give_back(clock("08:26"), p.bai, [box], visit=sold.visit, tag="return")
    day.sale(clock("08:31"), p.bai, [box], tag="resale-after-return")
    day.give_back(clock("08:33"), p.kang, [day.line(p.common[6], 1)], "ALLOW", "RETURN_UNPAIRED",
                  tag="return-unpaired")


def duplicates(day, p):
    """08:40 the same box again: here, elsewhere, in a hospital, self-paid first, a box that came back twice."""
    box = day.line(p.amlodipine, 1)
    day.sale(clock("08:40"), p.kang, [box], tag="sale")
    again = day.sale(clock("08:44"), p.kang, [box], "BLOCK", SAME, tag="duplicate-here")
    day.again(again, clock("08:45"), "BLOCK", SAME, tag="duplicate-retry")
    day.sale(clock("08:47"), p.hui, [box], "BLOCK", CLOSE, tag="duplicate-elsewhere")
    day.sale(clock("08:49"), p.city, [box, day.line(p.metformin, 1)], "REMIND", CLOSE, tag="duplicate-hospital")
    paid = day.line(p.common[8], 1)
    day.sale(clock("08:51"), p.bai, [paid], insured=False, tag="self-paid-first")
    day.sale(clock("08:58"), p.hui, [paid], "BLOCK", CLOSE, tag="then-insured")
    back = day.line(p.common[9], 1)
    sold = day.sale(clock("08:59"), p.hui, [back], tag="sale")
    day.give_back(clock("09:02"), p.hui, [back], visit=sold.visit, tag="return")
    day.give_back(clock("09:05"), p.hui, [back], "BLOCK", "ALREADY_RETURNED", visit=sold.visit, tag="second-return")


def scans(day, p):
    """09:08 what scanners send."""
    line = day.line(p.ibuprofen, 1)
    code = line.codes[0]
    wrong = [("09:08", codes.barcode(123456780), "PRODUCT_BARCODE"),
             ("09:09", p.ibuprofen.catalog_code, "CATALOG_CODE"),
             ("09:10", "8.64002E+19", "CODE_CORRUPTED"), ("09:11", code[:19], "CODE_MALFORMED"),
             ("09:12", "9" * 20, "PLACEHOLDER_CODE"),
             ("09:13", f"https://trace.example.com/q?code={code}", "FOREIGN_URL")]
    for at, text, reason in wrong:
        day.sale(clock(at), p.east, [Line(p.ibuprofen, [text])], "BLOCK", reason, tag="wrong-scan")
    day.sale(clock("09:14"), p.east, [Line(p.ibuprofen, [f"]C1{code[:7]}-{code[7:]}\r\n"])], tag="right-scan")
    day.sale(clock("09:15"), p.hui, [day.line(p.carton, 1)], "BLOCK", "NOT_SMALLEST_PACK", tag="carton-at-the-till")
    other = Line(p.amoxicillin, day.line(p.metformin, 1).codes)
    day.sale(clock("09:17"), p.kang, [other], "BLOCK", "DRUG_MISMATCH", tag="other-drug")
    unmapped = Line(p.amoxicillin, [f"8649991{code[7:]}"])
    day.sale(clock("09:19"), p.kang, [unmapped], "REMIND", "PREFIX_UNMAPPED", tag="unmapped-prefix")
    serial = day.world.serial()
    swapped = codes.gs1_in_brackets(p.insulin.prefix, serial, "K7", "270930", order="21 17 01 10")
    scanned = codes.gs1(p.insulin.prefix, serial, "K7", "270930")
    day.named |= dict.fromkeys([scanned, swapped], codes.gs1_in_brackets(p.insulin.prefix, serial))
    day.sale(clock("09:21"), p.city, [Line(p.insulin, [scanned])], tag="gs1")
    day.sale(clock("09:23"), p.bai, [Line(p.insulin, [swapped])], "BLOCK", CLOSE, tag="gs1-other-order")
    no_serial = codes.gs1(p.insulin.prefix, "", "K7", "270930")
    day.sale(clock("09:25"), p.bai, [Line(p.insulin, [no_serial])], "REMIND", "SERIAL_MISSING", tag="gs1-no-serial")
    day.sale(clock("09:26"), p.bai, [Line(p.salbutamol, ["SLkmnp204816"])], tag="own-scheme")


def splits(day, p):
    """09:30 open boxes."""
    box = day.line(p.prednisone, 1)
    for at, quantity in (("09:30", 40), ("09:34", 60)):
        day.sale(clock(at), p.city, [Line(p.prednisone, box.codes, quantity, split=True)], tag="split")
    day.sale(clock("09:38"), p.city, [Line(p.prednisone, box.codes, 1, split=True)], "REMIND",
             "DUPLICATE/SPLIT_OVERDRAW", tag="split-overdraw")
    own = day.line(p.ibuprofen, 1)
    day.sale(clock("09:40"), p.kang, [Line(own.drug, own.codes, 10, split=True)], tag="split")
    day.sale(clock("09:42"), p.hui, [Line(own.drug, own.codes, 5, split=True)], "BLOCK", "SPLIT_ELSEWHERE",
             tag="split-elsewhere")
    day.sale(clock("09:44"), p.kang, [own], "BLOCK", "DUPLICATE/WHOLE_AND_SPLIT", tag="split-then-whole")
    bag = day.line(p.saline, 1)
    for at, quantity in (("09:46", 6), ("09:50", 34)):
        day.sale(clock(at), p.county, [Line(p.saline, bag.codes, quantity)], tag="carton-only")
    day.sale(clock("09:52"), p.county, [Line(p.saline, bag.codes, 1)], "REMIND", "DUPLICATE/SPLIT_OVERDRAW",
             tag="carton-overdraw")
    loose = day.line(p.loose, 1)
    for at, quantity, verdict in (("09:54", 80, "ALLOW"), ("09:56", 30, "REMIND")):
        day.sale(clock(at), p.children, [Line(p.loose, loose.codes, quantity, split=True)], verdict,
                 "SPLIT_UNITS_UNKNOWN", tag="units-unknown")


def due_codes(day, p):
    """10:00 no code, the wrong number of codes, why none is due."""
    day.sale(clock("10:00"), p.kang, [Line(p.amoxicillin, [])], "BLOCK", "NO_CODE", tag="no-code")
    day.sale(clock("10:02"), p.city, [Line(p.amoxicillin, [])], "REMIND", "NO_CODE", tag="no-code-hospital")
    day.sale(clock("10:04"), p.kang, [Line(p.amoxicillin, [])], insured=False,
             tag="no-code-self-paid", forbid=["NO_CODE"])
    day.sale(clock("10:06"), p.bai, [Line(p.astragalus, [], 120)], "ALLOW", "NO_CODE_EXEMPT", tag="exempt-pieces")
    day.sale(clock("10:08"), p.city, [Line(p.prednisone, [], 7, split=True)], "ALLOW", "NO_CODE_EXEMPT",
             tag="exempt-must-split")
    day.sale(clock("10:10"), p.hui, [Line(p.cough, [], 1)], "ALLOW", "NO_CODE_LISTED", tag="no-code-list")
    few = day.line(p.metformin, 1, quantity=96)
    day.sale(clock("10:12"), p.hui, [few], "BLOCK", "CODE_COUNT_MISMATCH", tag="one-code-for-two-packs")
    twice = day.line(p.metformin, 1)
    day.sale(clock("10:14"), p.hui, [Line(twice.drug, twice.codes * 2)], "BLOCK", "CODE_REPEATED",
             tag="scanned-twice")
    day.sale(clock("10:16"), p.hui, [day.line(p.metformin, 1, quantity="30")], "BLOCK", "QUANTITY_NOT_WHOLE",
             tag="part-of-a-pack")


def purchases(day, p):
    """10:20 what was bought, and for how much."""
    day.sale(clock("10:20"), p.bai, [day.line(p.rare, 1)], "BLOCK", "NOT_PURCHASED", tag="not-bought")
    day.sale(clock("10:22"), p.zheng, [day.line(p.rare, 1)], "REMIND", "PURCHASE_NOT_KNOWN_YET",
             tag="not-known-yet")
    day.sale(clock("10:24"), p.east, [day.line(p.eyedrops, 2)],
             tag="bought-by-head-office", forbid=["NOT_PURCHASED"])
    day.sale(clock("10:26"), p.kang, [day.line(p.scarce, 2)], tag="last-two-packs", forbid=["OVERSOLD"])
    day.sale(clock("10:28"), p.kang, [day.line(p.scarce, 1)], "REMIND", "OVERSOLD", tag="oversold")
    day.sale(clock("10:30"), p.private, [day.line(p.dear, 1, price="3.50")], "REMIND", "PRICE_ABOVE_LISTED",
             tag="above-the-list")
    day.sale(clock("10:32"), p.closed, [day.line(p.amoxicillin, 1)], "BLOCK", "INSTITUTION_SUSPENDED",
             tag="suspended")


def reports(day, p):
    """10:40 a counter that was cut off sends what it sold; a clock that is ahead."""
    box = day.line(p.common[11], 1)
    day.sale(clock("10:40"), p.hui, [box], tag="sale")
    day.sale(clock("10:45"), p.zheng, [day.line(p.common[12], 1)], event=clock("09:10"),
             tag="late-report", recorded=True)
    day.sale(clock("10:46"), p.zheng, [box], "BLOCK", CLOSE, event=clock("09:20"), tag="late-report-was-earlier",
             recorded=True, roles=[(box.codes[0], "EARLIER")])
    old = day.line(p.common[13], 1)
    day.sale(clock("10:50"), p.kang, [old], tag="sale")
    day.sale(clock("10:55"), p.county, [old], "REMIND", "DUPLICATE/OTHER_INSTITUTION_LONG_GAP",
             event=clock("10:55") - timedelta(days=60), tag="sold-two-months-ago", recorded=True,
             roles=[(old.codes[0], "EARLIER")])
    ahead = day.line(p.amoxicillin, 1)
    day.sale(clock("11:00"), p.bai, [ahead], "BLOCK", "EVENT_TIME_IN_FUTURE", event=clock("12:00"),
             tag="clock-ahead",
             recorded=False)
    day.sale(clock("11:05"), p.bai, [ahead], "ALLOW", "EVENT_TIME_CLAMPED", event=clock("11:06"),
             tag="clock-slightly-ahead")
    resold = day.line(p.common[10], 1)
    sold = day.sale(clock("10:58"), p.city, [resold], tag="sale")
    day.sale(clock("11:10"), p.city, [resold], "REMIND", SAME, tag="resold-before-the-return-is-known")
    day.give_back(clock("11:30"), p.city, [resold], visit=sold.visit, event=clock("11:04"),
                  tag="return-told-afterwards")
    day.closes(resold.codes[0], "LAWFUL")
