"""Stories of messages: several documents in one, rows that cannot be read, transactions that are not supported."""

from .day import HOUR, Line, MINUTE, as_json, rows_node

CLOSE, SAME = "DUPLICATE/OTHER_INSTITUTION_CLOSE", "DUPLICATE/SAME_INSTITUTION"


def several_documents(day, t, by_visit):
    """One request for each document or visit: the strictest verdict, all findings, and the good one is sold."""
    first, second = day.pick("pharmacy", 2)
    taken, good, uncoded = day.line(packs=1), day.line(packs=1), Line(day.line().drug, [])
    day.sale(t, first, [taken], tag="several-first")
    for at, line in enumerate((taken, good, uncoded)):
        paper = {"mdtrt_sn": day.number("MV")} if by_visit else {"rtal_docno": day.number("RD")}
        line.fields = paper if by_visit or at else {}
    day.sale(t + HOUR, second, [taken, good, uncoded], "BLOCK", [CLOSE, "NO_CODE"], infno="3505A",
             tag="several-visits" if by_visit else "several-documents")
    good.fields = {}
    day.sale(t + 2 * HOUR, second, [good], "BLOCK", SAME, tag="several-good-one-sold", recorded=False)


def all_documents_good(day, t):
    [where] = day.pick("pharmacy")
    lines = [day.line(packs=1, fields={"rtal_docno": day.number("RD")}) for _ in range(3)]
    told = day.sale(t, where, lines, infno="3505A", tag="several-good", recorded=True)
    day.again(told, t + MINUTE, tag="several-good-retry")


def bad_row(day, t):
    """Case 7: a row that cannot be read takes its own document with it and no other."""
    [where] = day.pick("pharmacy")
    for field, value in (("sel_retn_cnt", "two"), ("sel_retn_time", "2026-13-40 08:00:00"), ("trdn_flag", "x")):
        good, bad = day.line(packs=1), day.line(packs=1)
        bad.fields = {field: value, "rtal_docno": day.number("RD")}
        day.sale(t, where, [bad, good], infno="3505A", tag="bad-row", error=True)
        bad.fields = {}
        day.sale(t + HOUR, where, [good], "BLOCK", SAME, tag="bad-row-good-one-sold")
        day.sale(t + HOUR, where, [bad], tag="bad-row-mended")
        t += MINUTE
    bad = day.line(packs=1, fields={"sel_retn_cnt": "two"})
    day.sale(t, where, [bad], "ERROR", infno="3505A", tag="only-a-bad-row", error=True)


def not_supported(day, t):
    """Counted and reported, never silently dropped."""
    [where] = day.pick("hospital")
    line = day.line(packs=1)
    row = day.common_row(line, t, "MV1")
    stock = {"invdate": f"{t:%Y-%m-%d}", "inv_cnt": "10.00", "drugtracinfo": [{"drug_trac_codg": line.codes[0]}]}
    payloads = {
        "3501": {"invinfo": row | stock},
        "3502": {"invinfo": row | {"inv_chg_type": "102", "cnt": "1.0000"}},
        "3503": {"purcinfo": row | {"spler_name": "测试医药公司", "purc_retn_cnt": "10.0000"}},
        "3507": {"data": {"fixmedins_bchno": "L2601", "inv_data_type": "4"}},
        "2207": {"data": {"mdtrt_id": day.number("MV"), "psn_setlway": "01", "medfee_sumamt": "10.00"}},
        "9001": {"signIn": {"opter_no": "0042"}},
    }
    for infno, payload in payloads.items():
        t += MINUTE
        day.say(t, where, infno, payload, ([], "", ""), "ERROR", (), tag=f"not-supported-{infno}", error=True)
    # Case 21: stock that was counted is no sale.
    day.sale(t + HOUR, where, [line], tag="counted-then-sold", recorded=True)


def garbage(day, t):
    """Lines that are no messages; each stands where it would have come."""
    [where] = day.pick("pharmacy")
    line = day.line(packs=1)
    envelope = day.envelope(t, where, "3505")
    whole = envelope | {"input": rows_node([day.sale_row(line, t, "RD1", "MV1", True)], "object")}

    def without(name):
        return {key: value for key, value in whole.items() if key != name}

    texts = ["not json at all", "[]", '{"infno":"3505"', "{}", as_json(without("infno")), as_json(without("input")),
             as_json(without("inf_time")), as_json(without("fixmedins_code")),
             as_json(whole | {"input": {"selinfo": 3}})]
    for text in texts:
        day.note(t, text, "ERROR", tag="garbage", error=True)
    day.sale(t + MINUTE, where, [line], tag="after-garbage", recorded=True)
