"""The registry of a day: institutions, drugs, purchases, feeds and lists, as stories ask for them."""

import csv
import io
import random
from dataclasses import dataclass
from decimal import Decimal

from . import codes

GENERIC_NAMES = (
    "阿莫西林胶囊 布洛芬片 二甲双胍片 氨氯地平片 阿托伐他汀钙片 奥美拉唑肠溶胶囊 氯雷他定片 头孢克肟颗粒 缬沙坦胶囊 "
    "美托洛尔缓释片 蒙脱石散 阿卡波糖片 硝苯地平控释片 左氧氟沙星片 瑞舒伐他汀钙片 孟鲁司特钠片 格列齐特缓释片 厄贝沙坦片"
).split()
ATC = "J01CA M01AE A10BA C08CA C10AA A02BC R06AX J01DD C09CA C07AB A07BC A10BF".split()
BOUGHT_AT = "2026-01-05T09:00:00+08:00"
AMPLE_PACKS = 100_000


@dataclass(frozen=True)
class Institution:
    code: str
    name: str
    kind: str
    division: str
    ownership: str
    agreement_signed_on: str = "2019-05-01"
    transition_ends_on: str = ""
    chain_group: str = ""
    status: str = "active"

    @property
    def is_pharmacy(self):
        return self.kind == "pharmacy"


@dataclass(frozen=True)
class Drug:
    prefix: str
    catalog_code: str
    name: str
    units: int | None
    listed_price: Decimal
    pack_level: str = "small"
    drug_class: str = "western"
    dosage_form: str = "tablet"
    carton_only: bool = False
    must_split: bool = False
    # Whoever sells it has bought plenty of it, unless the story says who bought how much.
    everywhere: bool = True

    @property
    def is_gs1(self):
        return len(self.prefix) == 14

    def unit_price(self):
        return round(self.listed_price / (self.units or 1), 4)


class World:
    """Grows while a day is told; every answer follows from the seed."""

    def __init__(self, seed, prefix):
        self.rng = random.Random(seed)
        self.prefix = prefix
        self.institutions, self.drugs, self.purchases = [], [], []
        # The institutions that are ordinary in every way; stories make those that are not.
        self.cast = []
        self.feeds, self.no_code_list, self.own_schemes = [], [], []
        self.known, self.bought, self.codes = set(), set(), set()
        self.institution_number = self.catalog_number = 0

    def institution(self, kind, division="130102", name=None, registered=True, **more):
        self.institution_number += 1
        code = f"{kind[0].upper()}{division}{90000 + self.institution_number:05}"
        label = "医院" if kind == "hospital" else "药房"
        ownership = more.pop("ownership", "public" if kind == "hospital" else "private")
        name = name or f"测试{label}{self.institution_number:03}"
        made = Institution(code, name, kind, division, ownership, **more)
        if registered:
            self.institutions.append(made)
            self.known.add(code)
        return made

    def drug(self, units=1, name=None, level="small", catalog_code=None, gs1=False, price=None, **more):
        number = self.catalog_number
        if catalog_code is None:
            self.catalog_number += 1
            number = self.catalog_number
            catalog_code = f"X{ATC[number % len(ATC)]}A{number:03}A0010101{90000 + number:05}"
        digit = {"small": "1", "middle": "2", "large": "3"}[level]
        prefix = codes.gtin(int(self.prefix) * 1000 + number) if gs1 else f"{self.prefix}{number:03}{digit}"
        name = name or f"{GENERIC_NAMES[number % len(GENERIC_NAMES)]}{number:03}"
        price = Decimal(price) if price else Decimal(self.rng.randint(500, 19900)) / 100
        made = Drug(prefix, catalog_code, name, units, price, level, **more)
        self.drugs.append(made)
        return made

    def code(self, drug):
        """A box that was never seen."""
        while True:
            serial = "".join(self.rng.choices("0123456789", k=13))
            code = drug.prefix + serial
            if drug.is_gs1:
                code = codes.gs1_in_brackets(drug.prefix, self.serial())
            if code not in self.codes:
                self.codes.add(code)
                return code

    def serial(self):
        return "".join(self.rng.choices(codes.PLAIN_LETTERS, k=9))

    def buy(self, who, drug, quantity, source="platform", at=BOUGHT_AT):
        order = f"PO{self.prefix}{len(self.purchases):06}"
        price = f"{drug.unit_price() * Decimal('0.8'):.4f}"
        self.purchases.append(
            [who.code, drug.catalog_code, source, order, "测试医药公司", "L2601", quantity, price, at]
        )

    def stock(self, who, drug):
        """Buys plenty, once, where the story is not about purchases."""
        if drug.everywhere and who.code in self.known and (who.code, drug.catalog_code) not in self.bought:
            self.bought.add((who.code, drug.catalog_code))
            self.buy(who, drug, AMPLE_PACKS * (drug.units or 1))

    def feed(self, whose, complete_up_to):
        self.feeds.append([whose, f"{complete_up_to:%Y-%m-%dT%H:%M:%S}+08:00"])

    def files(self):
        """File name to text. The optional files are there only where they say something."""
        flag = {True: "true", False: "false"}
        institutions = [
            [i.code, i.name, i.kind, i.division, i.ownership, i.agreement_signed_on, i.transition_ends_on,
             i.chain_group, i.status] for i in self.institutions
        ]
        drugs = [
            [d.prefix, d.catalog_code, d.name, d.pack_level, d.units or "", d.drug_class, d.dosage_form,
             flag[d.carton_only], flag[d.must_split], f"{d.listed_price:.2f}"] for d in self.drugs
        ]
        tables = {
            "institutions.csv": ("institution_code,name,kind,division,ownership,agreement_signed_on,"
                                 "transition_ends_on,chain_group,status", institutions),
            "drugs.csv": ("code_prefix,catalog_code,name,pack_level,units_per_pack,drug_class,dosage_form,"
                          "carton_only,must_split,listed_price", drugs),
            "purchases.csv": ("institution_code,catalog_code,source,order_no,supplier,lot_no,quantity,"
                              "unit_price,purchased_at", self.purchases),
            "purchase_feeds.csv": ("institution_code,complete_up_to", self.feeds),
            "no_code_list.csv": ("catalog_code,division_prefix,valid_from,valid_to,note", self.no_code_list),
            "own_schemes.csv": ("issuer,pattern,catalog_code,pack_level,units_per_pack", self.own_schemes),
        }
        return {name: table(head, rows) for name, (head, rows) in tables.items() if rows}


def table(head, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head.split(","))
    writer.writerows(rows)
    return text.getvalue()
