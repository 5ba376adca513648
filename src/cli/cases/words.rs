//! What the names of the wire are called by people: Chinese beside the name that files, JSON and documents use.

/// Names and their Chinese words (申诉, 初审, 复审 and so on are the words of the bureaus).
const WORDS: [(&str, &str); 44] = [
    ("SAME_INSTITUTION", "同机构重复"),
    ("OTHER_INSTITUTION_CLOSE", "跨机构短期重复"),
    ("OTHER_INSTITUTION_LONG_GAP", "跨机构长期重复"),
    ("SPLIT_OVERDRAW", "拆零超量"),
    ("WHOLE_AND_SPLIT", "整拆混售"),
    ("PACK_OVERLAP", "大小码重叠"),
    ("SPLIT_ELSEWHERE", "异地拆零"),
    ("DETECTED", "已发现"),
    ("PUSHED", "已推送"),
    ("EXPLAINED", "已说明"),
    ("APPEALED", "已申诉"),
    ("FIRST_REVIEW", "初审"),
    ("SECOND_REVIEW", "复审"),
    ("CLOSED", "已结案"),
    ("VIOLATION", "违规"),
    ("LAWFUL", "合规"),
    ("MAKERS_ERROR", "厂家错码"),
    ("DATA_ERROR", "数据错误"),
    ("JOINED", "并入"),
    ("RECLASSED", "改判"),
    ("REFUND_MARKED", "主动退款"),
    ("EVENT_ANNULLED", "撤销事件"),
    ("PROPOSED", "建议"),
    ("PROPOSAL_ACCEPTED", "采纳建议"),
    ("PROPOSAL_REJECTED", "驳回建议"),
    ("FIRST", "在先"),
    ("DUPLICATE", "重复"),
    ("CLEARED", "已排除"),
    ("STANDS", "有效"),
    ("RETURNED", "已退货"),
    ("VOIDED", "已作废"),
    ("ANNULLED", "已撤销"),
    ("NEVER_SOLD", "未成交"),
    ("CLOSE", "结案"),
    ("FLIP", "对调先后"),
    ("SALE", "销售"),
    ("HOLD", "预占"),
    ("RETURN", "退货"),
    ("MOVEMENT", "移库"),
    ("ATTEMPT", "被拦截"),
    ("SYSTEM", "系统"),
    ("INSTITUTION", "机构"),
    ("BUREAU", "医保局"),
    ("REMIND", "提醒"),
];

/// A name of the wire without its prefix; nothing where it is not set.
pub(in crate::cli) fn name_of(wire: &'static str, prefix: &str) -> &'static str {
    wire.strip_prefix(prefix).filter(|name| *name != "UNSPECIFIED").unwrap_or_default()
}

/// `PUSHED 已推送`.
pub(in crate::cli) fn in_words(name: &str) -> String {
    let word = WORDS.iter().find(|(known, _)| *known == name);
    word.map_or_else(|| name.to_owned(), |(name, zh)| format!("{name} {zh}"))
}
