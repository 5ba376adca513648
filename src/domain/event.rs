//! What happens at a counter: where it happens and who pays. Knows no clock and no wire.

use crate::domain::verdict::named;

named! {
    /// Where a drug is handed out.
    pub enum Scene {
        /// A hospital's outpatient window.
        Outpatient = "outpatient",
        /// A hospital ward.
        Inpatient = "inpatient",
        /// A retail pharmacy.
        Pharmacy = "pharmacy",
    }
}

named! {
    /// Who pays.
    pub enum Payment {
        /// The medical-insurance fund.
        Insured = "insured",
        /// The patient alone.
        SelfPaid = "self_paid",
    }
}
