//! What a finding says to the person at the counter: what it is and what to do, in Chinese and in English.

use super::{DuplicateClass, Evidence, Finding, OtherSale, Reason, Role};
use crate::domain::time::local_time;
use rust_decimal::Decimal;

/// One sentence in two languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Sentence {
    fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The sentence of a finding. It names no institution: who may know that is decided elsewhere.
    pub fn of(finding: &Finding) -> Self {
        match &finding.evidence {
            Evidence::OtherSale(sale) => other_sale(finding, sale),
            Evidence::Scanned(detail) => {
                let base = plain(finding.reason);
                Self::new(
                    format!("{}（{}）", base.zh, detail.text_zh()),
                    format!("{} ({})", base.en, detail.text()),
                )
            }
            Evidence::Quantities { expected, found } => quantities(finding.reason, *expected, *found),
            Evidence::Pack { quantity, units_per_pack } => pack(*quantity, *units_per_pack),
            Evidence::Drug { catalog_code, name } => Self::new(
                format!("该追溯码属于另一药品{name}（{catalog_code}）。请核对所扫药盒与单据。"),
                format!(
                    "This code belongs to another drug, {name} ({catalog_code}). Check the box against the line."
                ),
            ),
            Evidence::Exemption { sentence_zh, sentence_en } => {
                Self::new(sentence_zh.clone(), sentence_en.clone())
            }
            Evidence::Feed { age_seconds, .. } => feed(*age_seconds),
            Evidence::Price { unit_price, listed } => Self::new(
                format!("售价{unit_price}元高于挂网价{listed}元（每最小计价单位）。请改价后重新提交。"),
                format!(
                    "The price {unit_price} is above the listed price {listed} (yuan per unit). Correct the price."
                ),
            ),
            Evidence::Clock { occurred_at, received_at } => clock(finding.reason, *occurred_at, *received_at),
            Evidence::HeldUntil(until) => {
                let until = local_time(*until);
                Self::new(
                    format!("该药盒被另一张未结算单据占用至{until}。请勿交付，先作废该单据或稍后重试。"),
                    format!(
                        "Another open document holds this box until {until}. Hand nothing over; void it or ask again."
                    ),
                )
            }
            Evidence::None => plain(finding.reason),
        }
    }
}

fn other_sale(finding: &Finding, sale: &OtherSale) -> Sentence {
    let at = local_time(sale.occurred_at);
    let (who_zh, who_en) = if sale.same_institution {
        ("本机构", "your institution")
    } else {
        ("另一机构", "another institution")
    };
    let (what_zh, what_en) = match (finding.reason, finding.class) {
        (Reason::SplitElsewhere, _) => ("同一盒已在两家机构拆零", "the box was split at two institutions"),
        (_, Some(class)) => class_words(class),
        (_, None) => ("该码已销售", "the code was already sold"),
    };
    // The earlier one is not the duplicate: it is told to keep its papers, not to change the box.
    let (order_zh, order_en) = match finding.role {
        Some(Role::Earlier) => (
            "本次销售在前，请保留销售凭证备查",
            "this sale came first: keep its papers, the other one is the duplicate",
        ),
        Some(Role::Later) | None => (
            "本次销售在后，请换一盒扫码，并保留此盒待查",
            "this sale came later: take another box and keep this one aside",
        ),
    };
    let (review_zh, review_en) = if sale.proposed {
        ("补报过迟，由医保人工认定。", " Reported too late to settle by itself; a reviewer decides.")
    } else {
        ("", "")
    };
    Sentence::new(
        format!("重复追溯码：{what_zh}；{who_zh}于{at}有销售记录，{order_zh}。{review_zh}"),
        format!("Duplicate: {what_en}; on record at {who_en}, {at}; {order_en}.{review_en}"),
    )
}

fn class_words(class: DuplicateClass) -> (&'static str, &'static str) {
    match class {
        DuplicateClass::SameInstitution => ("本机构另一单据已销售", "sold under another document here"),
        DuplicateClass::OtherInstitutionClose => {
            ("他处亦有销售，时间相近", "also sold elsewhere, close in time")
        }
        DuplicateClass::OtherInstitutionLongGap => {
            ("他处亦有销售，间隔较长", "also sold elsewhere, far apart in time")
        }
        DuplicateClass::SplitOverdraw => ("拆零数量超过整盒", "more units drawn than the pack holds"),
        DuplicateClass::WholeAndSplit => ("同一盒既整盒又拆零销售", "sold both whole and split"),
        DuplicateClass::PackOverlap => ("大包装与其中小包装均已销售", "carton and small pack both sold"),
    }
}

fn quantities(reason: Reason, expected: Decimal, found: Decimal) -> Sentence {
    let (expected, found) = (expected.normalize(), found.normalize());
    if reason == Reason::CodeCountMismatch {
        return Sentence::new(
            format!("应扫{expected}盒，实扫{found}个码。请逐盒扫码。"),
            format!("{expected} packs but {found} codes. Scan each pack once."),
        );
    }
    if reason == Reason::Oversold {
        return Sentence::new(
            format!("已售{found}，采购仅{expected}（最小计价单位）。请核对采购记录。"),
            format!("{found} sold but only {expected} bought (smallest units). Check the purchase records."),
        );
    }
    Sentence::new(
        format!("每盒数量未知，已拆零{found}（提醒线{expected}）。请上报该药品的包装数量。"),
        format!(
            "Units per pack unknown; {found} drawn so far (reminder at {expected}). Report the pack size."
        ),
    )
}

fn pack(quantity: Decimal, units_per_pack: Option<u32>) -> Sentence {
    let quantity = quantity.normalize();
    let units = units_per_pack.map_or_else(|| "?".to_owned(), |u| u.to_string());
    Sentence::new(
        format!("数量{quantity}不是整盒（每盒{units}）。整盒销售请改数量，拆零请标明拆零。"),
        format!(
            "Quantity {quantity} is not a whole number of packs of {units}. Correct it, or mark the line as split."
        ),
    )
}

fn feed(age_seconds: i64) -> Sentence {
    let hours = age_seconds / 3600;
    Sentence::new(
        format!("暂未查到采购记录，采购数据已滞后{hours}小时。可先发药，采购数据到达前暂不支付。"),
        format!(
            "No purchase found yet; the purchase data is {hours} hours old. You may go on; not payable until it arrives."
        ),
    )
}

fn clock(reason: Reason, occurred_at: jiff::Timestamp, received_at: jiff::Timestamp) -> Sentence {
    let (event, now) = (local_time(occurred_at), local_time(received_at));
    if reason == Reason::EventTimeClamped {
        return Sentence::new(
            format!("单据时间{event}略快于平台时间{now}，已按平台时间记录。请校准时钟。"),
            format!("The event time {event} is slightly ahead of {now} and was set to now. Check the clock."),
        );
    }
    Sentence::new(
        format!("单据时间{event}晚于平台时间{now}。请校准时钟后重新提交。"),
        format!("The event time {event} lies in the future (now {now}). Set the clock and send again."),
    )
}

/// The sentence of a reason without particulars.
// long: a table, one row a reason.
fn plain(reason: Reason) -> Sentence {
    let (zh, en) = match reason {
        Reason::InstitutionUnknown => (
            "机构不在名录中。请联系医保部门登记。",
            "The institution is not registered. Ask the bureau to register it.",
        ),
        Reason::InstitutionSuspended => (
            "机构协议已中止，不能医保结算。请联系医保部门。",
            "The institution's agreement is suspended. Contact the bureau.",
        ),
        Reason::ProductBarcode => (
            "扫到的是商品条码（69码）。请扫药盒上的追溯码。",
            "This is the product bar code. Scan the trace code on the box.",
        ),
        Reason::CatalogCode => (
            "扫到的是医保编码。请扫药盒上的追溯码。",
            "This is the catalogue code. Scan the trace code on the box.",
        ),
        Reason::NationalDrugCode => (
            "扫到的是药品本位码。请扫药盒上的追溯码。",
            "This is the national drug code. Scan the trace code on the box.",
        ),
        Reason::ConsumableCode => (
            "扫到的是耗材编码。请扫包装上的UDI。",
            "This is a consumable's catalogue code. Scan the UDI on the pack.",
        ),
        Reason::ForeignUrl => (
            "扫到的是其他网址。请扫药盒上的追溯码。",
            "This is some other web address. Scan the trace code on the box.",
        ),
        Reason::CodeMalformed => {
            ("不是追溯码。请重新扫描药盒上的追溯码", "Not a trace code. Scan the trace code on the box again")
        }
        Reason::CodeCorrupted => (
            "追溯码被表格软件损坏。请以文本格式重新导出或重新扫描",
            "Damaged by a spreadsheet. Export codes as text, or scan again",
        ),
        Reason::PlaceholderCode => (
            "这是占位码，视同无码。请扫真实追溯码。",
            "This placeholder counts as no code. Scan the real code.",
        ),
        Reason::CodeRepeated => (
            "同一盒在本单中扫了两次。请删除重复的一次。",
            "One box was scanned twice in this document. Remove one scan.",
        ),
        Reason::NoCode => (
            "应扫追溯码而未扫。请扫码；医院可先发药，补传前暂不支付。",
            "A trace code is due. Scan it; a hospital may go on, not payable until uploaded.",
        ),
        Reason::NoCodeListed => ("在无码库有效期内，可不扫码。", "On the no-code list: no code is due."),
        Reason::NotSmallestPack => (
            "这是中包装或大包装的码。请扫最小销售包装的码。",
            "This is a carton or middle-pack code. Scan the small code.",
        ),
        Reason::PrefixUnmapped => (
            "药品标识码尚未对照。可继续，请将该药品上报医保部门对照。",
            "The code's prefix is not mapped yet. You may go on; report the drug to the bureau.",
        ),
        Reason::NotPurchased => (
            "无平台采购订单，也无备案采购，不予结算。请补采购或备案。",
            "No platform order and no filed purchase: not settled. File the purchase first.",
        ),
        Reason::SerialMissing => (
            "该码无可读序列号，无法判断重复。请核对后继续。",
            "No readable serial in this code; duplicates cannot be judged. Check and go on.",
        ),
        Reason::ReturnUnpaired => (
            "未找到本机构的销售记录，退货已登记，待销售上传后匹配。",
            "No sale on record here; the return is kept and paired when the sale arrives.",
        ),
        Reason::AlreadyReturned => (
            "该盒已退过货。请核对，勿重复退货。",
            "This box was already returned. Check; do not return it twice.",
        ),
        Reason::Provisional => (
            "账本暂不可达，临时放行，稍后补核。",
            "The ledger cannot be reached; provisional, settled later.",
        ),
        Reason::InDoubt => (
            "结果未定。请勿交付，稍后用同一请求号重试。",
            "Not decided. Hand nothing over; ask again with the same request id.",
        ),
        Reason::Duplicate | Reason::SplitElsewhere => {
            ("该追溯码已有销售记录。请换一盒扫码。", "This code is already sold. Take another box.")
        }
        Reason::QuantityNotWhole => (
            "数量不是整盒。请改数量或标明拆零。",
            "Not a whole number of packs. Correct it or mark the line as split.",
        ),
        Reason::CodeCountMismatch => {
            ("码数与盒数不符。请逐盒扫码。", "Codes and packs differ. Scan each pack once.")
        }
        Reason::NoCodeExempt => ("按规定免扫码。", "Exempt: no code is due."),
        Reason::DrugMismatch => {
            ("追溯码与药品不符。请核对。", "The code belongs to another drug. Check the box.")
        }
        Reason::PurchaseNotKnownYet => {
            ("采购数据未到，暂不支付。", "Purchase data has not arrived; not payable yet.")
        }
        Reason::Oversold => ("销售多于采购。请核对。", "Sold more than bought. Check the records."),
        Reason::PriceAboveListed => ("售价高于挂网价。请改价。", "The price is above the listed price."),
        Reason::SplitUnitsUnknown => ("每盒数量未知。", "Units per pack unknown."),
        Reason::EventTimeInFuture => {
            ("单据时间在未来。请校准时钟。", "The event time lies in the future. Set the clock.")
        }
        Reason::EventTimeClamped => ("单据时间已校正。", "The event time was set to now."),
    };
    Sentence::new(zh, en)
}
