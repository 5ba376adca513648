"""A day on which news comes late: events out of order, outages, dates on which rules begin and end."""

from datetime import datetime

from . import afterwards, clocks, lists, messages, rules, sales, scans
from .counter import UNITS, cast
from .day import A_DAY, Day, HOUR, MINUTE
from .world import World

START = datetime(2026, 5, 12, 8)


def told():
    world = World("late", "862")
    cast(world, 12, 8)
    day = Day(world, START, "late day")
    day.common = [world.drug(units) for units in UNITS]
    suspended = world.institution("pharmacy", "130104", status="suspended")
    unknown = world.institution("pharmacy", "130102", registered=False)
    imported = world.drug(1, "测试进口注射液", gs1=True)

    def moment():
        return START + HOUR + day.rng.randrange(7 * 60) * MINUTE

    for _ in range(15):
        sales.fresh(day, moment())
    clocks.rule_days(day)
    clocks.transition(day, "pharmacy", datetime(2026, 5, 12))
    clocks.transition(day, "hospital", datetime(2026, 5, 13))
    lists.national_list_ends(day)
    for story in (clocks.late_report, clocks.reported_attempt, clocks.backdated, clocks.future,
                  clocks.return_after_resale, clocks.return_between, clocks.return_before_sale, clocks.inpatient,
                  clocks.whole_claims, messages.all_documents_good, messages.bad_row, messages.not_supported,
                  messages.garbage, lists.no_code_list, lists.own_scheme, lists.not_known_yet, lists.bought_later,
                  lists.outside_hebei, lists.foreign_carton, afterwards.sale_repeated_after_return,
                  afterwards.return_repeated_after_resale, afterwards.blocked_then_freed,
                  afterwards.outage_between_channels, afterwards.settled_then_returned, afterwards.late_draw,
                  afterwards.opened_after_return):
        story(day, moment())
    clocks.not_designated(day, moment(), suspended, unknown)
    for choice in (True, False):
        clocks.window(day, moment(), choice)
        clocks.split_channel(day, moment(), choice)
        messages.several_documents(day, moment(), choice)
        sales.split_and_whole(day, moment(), choice)
        sales.repeated_code(day, moment(), "pharmacy", choice)
        sales.double_channel(day, moment(), choice)
    for kind in ("pharmacy", "hospital"):
        clocks.earlier(day, moment(), kind)
        clocks.unknown_units(day, moment(), kind)
        afterwards.two_draws_in_one_document(day, moment(), kind)
        sales.split_elsewhere(day, moment(), kind)
        sales.split(day, moment(), kind, A_DAY)
        scans.gs1_not_judged(day, moment(), imported, kind)
        scans.wrong_scans(day, moment(), kind)
        rules.not_whole(day, moment(), kind)
        rules.counts(day, moment(), kind)
    return day.files()
