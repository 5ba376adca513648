//! What exactly is wrong with a scan, as data and as a short phrase in two languages.
//! The sentence around it, and what to do next, belong to the verdict.

use serde::{Deserialize, Serialize};

/// What is wrong with a scan. Stored with findings: add variants at the end only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Nothing but blanks.
    Empty,
    /// More bytes of UTF-8 than [`super::SCANNED_BYTES_MAX`].
    TooLong(usize),
    /// A spreadsheet wrote the code as a number and lost digits.
    SpreadsheetDamage,
    /// Nothing but so many digits, and no code has so many.
    WrongLength(usize),
    /// Twenty digits, but the first is no 8.
    FirstDigit,
    /// Twenty characters, nearly all digits.
    LetterAmongDigits {
        /// The first that is no digit.
        letter: char,
        /// Its place, from 1.
        position: usize,
    },
    /// So many MSFX codes in one field.
    SeveralCodes(usize),
    /// A character that no code may hold.
    Character(char),
    /// More characters than an own scheme may have.
    TextTooLong(usize),
    /// The form of no family, and no registered scheme matches.
    NoFamily,
    /// A GTIN of 14 digits whose check digit is wrong.
    GtinCheckDigit(String),
    /// A GS1 text without (01).
    GtinMissing,
    /// Where a GS1 application identifier should stand: at most four characters of what stands there.
    ElementUnknown(String),
    /// A GS1 element with a wrong value.
    Element {
        /// Application identifier.
        element: String,
        /// What is wrong.
        fault: ElementFault,
    },
    /// A product bar code (EAN-13, EAN-8, UPC-12) of so many digits.
    ProductBarcode(usize),
    /// Thirteen digits whose check digit is wrong.
    BarcodeCheckDigit,
    /// An NHSA catalogue code.
    CatalogCode,
    /// A consumable's catalogue code.
    ConsumableCode,
    /// A national drug code (本位码).
    NationalDrugCode,
    /// A URL that is no lawful look-up page.
    Url(UrlFault),
}

/// What is wrong with the value of a GS1 element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ElementFault {
    /// A YYMMDD that is in no calendar.
    ImpossibleDate(String),
    /// More characters than the element allows.
    TooLong {
        /// Characters allowed.
        limit: usize,
        /// Characters found.
        found: usize,
    },
    /// Nothing there, or cut off after so many characters.
    TooShort(usize),
    /// A character that the value may not hold.
    Character(char),
    /// The same element again with another value.
    Repeated,
}

/// Which rule a URL breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlFault {
    /// Neither http nor https, or text in front of it.
    Scheme,
    /// A user name before the host.
    Userinfo,
    /// A port of its own.
    Port,
    /// A host that is not on the list.
    Host(String),
    /// No parameter `code`.
    CodeMissing,
    /// More than one code.
    CodeRepeated,
    /// A `code` that is no MSFX code.
    CodeValue,
}

/// One phrase: Chinese, English.
type Phrase = (String, String);

impl Refusal {
    /// A short phrase in English, without a full stop.
    pub fn text(&self) -> String {
        self.phrase().1
    }

    /// A short phrase in Chinese, without a full stop.
    pub fn text_zh(&self) -> String {
        self.phrase().0
    }

    fn phrase(&self) -> Phrase {
        match self {
            Self::Empty => fixed("内容为空", "nothing was scanned"),
            Self::TooLong(bytes) => (
                format!("{bytes}字节，超过{}字节", super::SCANNED_BYTES_MAX),
                format!("{bytes} bytes, more than {}", super::SCANNED_BYTES_MAX),
            ),
            Self::SpreadsheetDamage => {
                fixed("表格软件已将其转为数字", "a spreadsheet turned it into a number and lost digits")
            }
            Self::WrongLength(digits) => {
                (format!("{digits}位数字，应为20位"), format!("{digits} digits where 20 are due"))
            }
            Self::FirstDigit => fixed("20位数字，但首位不是8", "20 digits, but the first is not 8"),
            Self::LetterAmongDigits { letter, position } => (
                format!("第{position}位是“{letter}”，应为数字"),
                format!("{letter:?} at place {position} is no digit"),
            ),
            Self::SeveralCodes(codes) => {
                (format!("一次扫入了{codes}个码"), format!("{codes} codes were scanned into one field"))
            }
            Self::Character(c) => {
                (format!("含不允许的字符{}", shown(*c)), format!("{} stands in no trace code", shown(*c)))
            }
            Self::TextTooLong(characters) => (
                format!("{characters}个字符，最多100个"),
                format!("{characters} characters, at most 100 are allowed"),
            ),
            Self::NoFamily => {
                fixed("不符合任何追溯码格式", "the form of no trace code, and no registered scheme matches")
            }
            Self::GtinCheckDigit(gtin) => {
                (format!("GTIN {gtin}校验位错误"), format!("wrong check digit in GTIN {gtin}"))
            }
            Self::GtinMissing => fixed("缺少GTIN（01）", "the GTIN (01) is missing"),
            Self::ElementUnknown(text) => (
                format!("“{text}”不是已知的GS1应用标识符"),
                format!("{text:?} is no known GS1 application identifier"),
            ),
            Self::Element { element, fault } => fault.phrase(element),
            Self::ProductBarcode(digits) => {
                (format!("{digits}位商品条码"), format!("a product bar code of {digits} digits"))
            }
            Self::BarcodeCheckDigit => fixed(
                "13位数字，商品条码校验位错误",
                "13 digits, a product bar code with a wrong check digit",
            ),
            Self::CatalogCode => fixed("23位，首位为字母", "23 characters, the first a letter"),
            Self::ConsumableCode => fixed("20位，首位为C", "20 characters, the first a C"),
            Self::NationalDrugCode => fixed("14位数字，以86开头", "14 digits that begin with 86"),
            Self::Url(fault) => fault.phrase(),
        }
    }
}

impl ElementFault {
    fn phrase(&self, element: &str) -> Phrase {
        let (zh, en) = element_name(element);
        match self {
            Self::ImpossibleDate(value) => {
                (format!("{zh}（{element}）{value}不存在"), format!("impossible {en} ({element}) {value}"))
            }
            Self::TooLong { limit, found } => (
                format!("{zh}（{element}）有{found}个字符，最多{limit}个"),
                format!("{en} ({element}) has {found} characters, at most {limit} are allowed"),
            ),
            Self::TooShort(0) => (format!("{zh}（{element}）为空"), format!("{en} ({element}) is empty")),
            Self::TooShort(found) => (
                format!("{zh}（{element}）不完整，仅{found}个字符"),
                format!("{en} ({element}) is cut off after {found} characters"),
            ),
            Self::Character(c) => (
                format!("{zh}（{element}）含不允许的字符{}", shown(*c)),
                format!("{en} ({element}) holds {}, which is not allowed there", shown(*c)),
            ),
            Self::Repeated => (
                format!("{zh}（{element}）出现两次且内容不同"),
                format!("{en} ({element}) is there twice with different values"),
            ),
        }
    }
}

impl UrlFault {
    fn phrase(&self) -> Phrase {
        match self {
            Self::Scheme => fixed("不是http或https网址", "neither an http nor an https address"),
            Self::Userinfo => fixed("网址含用户名", "the address has a user name"),
            Self::Port => fixed("网址端口不是默认端口", "the address has a port of its own"),
            Self::Host(host) => (
                format!("域名“{host}”不在允许名单中"),
                format!("host {host:?} is not on the list of look-up pages"),
            ),
            Self::CodeMissing => fixed("网址中没有code参数", "the address has no parameter code"),
            Self::CodeRepeated => fixed("网址中不止一个码", "the address has more than one code"),
            Self::CodeValue => fixed(
                "code参数不是以8开头的20位数字",
                "the parameter code is not 20 digits that begin with 8",
            ),
        }
    }
}

fn fixed(zh: &str, en: &str) -> Phrase {
    (zh.to_owned(), en.to_owned())
}

fn element_name(element: &str) -> (&'static str, &'static str) {
    match element {
        "01" => ("GTIN", "GTIN"),
        "10" => ("批号", "lot"),
        "11" => ("生产日期", "production date"),
        "17" => ("有效期", "expiry date"),
        "21" => ("序列号", "serial"),
        "12" | "13" | "15" | "16" => ("日期", "date"),
        _ => ("应用标识符", "element"),
    }
}

/// A character as a person can see it; one that shows nothing as its number.
fn shown(c: char) -> String {
    if c.is_control() || c.is_whitespace() || super::noise::is_invisible(c) {
        return format!("U+{:04X}", u32::from(c));
    }
    format!("“{c}”")
}
