//! The rules of a brand: one name, which no other has.

pub(crate) mod register_brand;
pub(crate) mod store;
pub(crate) mod update_brand;

use jiff::Timestamp;
use kit::clock::to_proto;
use kit::refusals;
use proto::catalog::v1 as contract;
use proto::event::v1::BrandSnapshot;
use unicode_normalization::UnicodeNormalization;

refusals! {
    /// Why a rule of brands said no.
    pub enum BrandRefusal {
        /// There is no such brand.
        NotFound { brand_id: String } => NotFound "BRAND_NOT_FOUND",
            en "there is no brand {brand_id}",
            ko "브랜드 {brand_id} 을(를) 찾을 수 없습니다",
        /// The id is taken.
        AlreadyExists { brand_id: String } => AlreadyExists "BRAND_ALREADY_EXISTS",
            en "brand {brand_id} exists",
            ko "브랜드 {brand_id} 이(가) 이미 있습니다",
        /// Another brand has this name.
        NameTaken { name: String } => AlreadyExists "BRAND_NAME_TAKEN",
            en "another brand is called {name}",
            ko "{name} (이)라는 브랜드가 이미 있습니다",
        /// Somebody changed the brand since the caller read it.
        EtagMismatch { brand_id: String, etag: String } => Aborted "BRAND_ETAG_MISMATCH",
            en "brand {brand_id} was changed by somebody else, its etag is now {etag}",
            ko "브랜드 {brand_id} 이(가) 다른 사용자에 의해 변경되었습니다. 현재 etag: {etag}",
    }
}

/// A brand as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brand {
    pub brand_id: String,
    pub name: String,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Brand {
    pub fn new(brand_id: String, name: String, now: Timestamp) -> Self {
        Self {
            brand_id,
            name: composed(&name),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Gives the brand another name; `false` if it is called so already.
    pub fn rename(&mut self, name: String, etag: &str, now: Timestamp) -> Result<bool, BrandRefusal> {
        if !etag.is_empty() && etag != self.etag() {
            return Err(BrandRefusal::EtagMismatch {
                brand_id: self.brand_id.clone(),
                etag: self.etag(),
            });
        }
        let name = composed(&name);
        if self.name == name {
            return Ok(false);
        }
        self.name = name;
        self.version += 1;
        self.updated_at = now;
        Ok(true)
    }

    fn etag(&self) -> String {
        self.version.to_string()
    }

    pub fn subject(&self) -> String {
        format!("brand/{}", self.brand_id)
    }

    pub fn shown(&self) -> contract::Brand {
        contract::Brand {
            brand_id: self.brand_id.clone(),
            name: self.name.clone(),
            etag: self.etag(),
            created_at: Some(to_proto(self.created_at)),
            updated_at: Some(to_proto(self.updated_at)),
        }
    }

    pub fn told(&self) -> Option<BrandSnapshot> {
        Some(BrandSnapshot {
            brand_id: self.brand_id.clone(),
            name: self.name.clone(),
        })
    }
}

/// The one spelling of a name (NFC), so that two that look the same are the same.
fn composed(name: &str) -> String {
    name.nfc().collect()
}
