"""An ordinary day at many counters: every story of a sale, told in time."""

from datetime import datetime

from . import rules, sales, scans
from .day import Day, HOUR, MINUTE
from .world import World

UNITS = (1, 1, 6, 10, 12, 14, 20, 24, 24, 28, 30, 36, 36, 48)
START = datetime(2026, 4, 14, 8)


def cast(world, pharmacies, hospitals):
    """Ordinary institutions all over two cities."""
    divisions = ("130102", "130104", "130105", "130108", "130202", "130203")
    for kind, count in (("pharmacy", pharmacies), ("hospital", hospitals)):
        for at in range(count):
            world.cast.append(world.institution(kind, divisions[at % len(divisions)]))


def told():
    world = World("counter", "861")
    cast(world, 14, 8)
    day = Day(world, START, "counter day")
    day.common = [world.drug(units) for units in UNITS]
    head, *branches = [world.institution("pharmacy", "130102", chain_group="测试连锁甲") for _ in range(3)]
    private = world.institution("hospital", "130105", ownership="private", name="测试民营医院一")
    suspended = world.institution("pharmacy", "130104", status="suspended")
    unknown = world.institution("pharmacy", "130102", registered=False)
    imported = world.drug(1, "测试进口注射液", gs1=True)
    cartons = [world.drug(units, f"测试输液{units}", level="large", dosage_form="infusion", carton_only=True)
               for units in (40, 120)]

    def moment(last=17):
        return START + day.rng.randrange((last - 8) * 3600) * HOUR / 3600

    for _ in range(40):
        sales.fresh(day, moment(20))
    for story in (sales.retry, sales.resend, sales.reminded_retry, sales.blocked_retry, sales.self_paid_first,
                  sales.self_paid_second, sales.settled_then_elsewhere, sales.split_over_two_boxes,
                  sales.split_returned, sales.partial_return, sales.unpaired_return, sales.all_or_nothing,
                  sales.without_the_line, scans.noise, scans.shapes, scans.node_beats_old_field,
                  scans.settlement_type, rules.exempt, rules.sources, rules.oversold):
        story(day, moment(15))
    for kind in ("pharmacy", "hospital"):
        for story in (sales.same_institution, sales.close_gap, sales.long_gap, sales.split, sales.split_elsewhere,
                      sales.second_return, scans.wrong_scans, scans.placeholder, rules.no_code, rules.counts,
                      rules.not_whole, rules.pack_levels, rules.products, rules.not_bought):
            story(day, moment(15), kind)
        scans.gs1_not_judged(day, moment(), imported, kind)
        scans.gs1_wrong(day, moment(), imported, kind)
        for carton in cartons:
            sales.carton_only(day, moment(14), kind, carton)
    for choice in (True, False):
        sales.double_channel(day, moment(), choice)
        sales.split_and_whole(day, moment(), choice)
        sales.split_and_whole(day, moment(), choice, "hospital")
        sales.resale(day, moment(14), choice)
        sales.repeated_code(day, moment(), "pharmacy", choice)
        sales.repeated_code(day, moment(), "hospital", choice)
    scans.wrong_scans(day, moment(), "pharmacy", insured=False)
    scans.gs1(day, START + 5 * MINUTE, imported)
    rules.chain(day, moment(14), head, branches)
    rules.prices(day, moment(), private)
    rules.institutions(day, moment(), suspended, unknown)
    return day.files()
