//! The rules of a product: what may be changed, and when it is on sale.

pub(crate) mod change_price;
pub(crate) mod import_products;
pub(crate) mod register_product;
pub(crate) mod set_status;
pub(crate) mod store;
pub(crate) mod update_product;

use jiff::Timestamp;
use kit::clock::to_proto;
use kit::money::Currency;
use kit::refusals;
use proto::catalog::v1 as contract;
use proto::event::v1 as event;

use crate::stock::Level;

refusals! {
    /// Why a rule of products said no.
    pub enum ProductRefusal {
        /// There is no such product.
        NotFound { product_id: String } => NotFound "PRODUCT_NOT_FOUND",
            en "there is no product {product_id}",
            ko "상품 {product_id} 을(를) 찾을 수 없습니다",
        /// The id is taken.
        AlreadyExists { product_id: String } => AlreadyExists "PRODUCT_ALREADY_EXISTS",
            en "product {product_id} exists",
            ko "상품 {product_id} 이(가) 이미 있습니다",
        /// The product is hidden or discontinued.
        NotOnSale { product_id: String, status: String } => FailedPrecondition "PRODUCT_NOT_ON_SALE",
            en "product {product_id} is not on sale, it is {status}",
            ko "상품 {product_id} 은(는) 판매 중이 아닙니다 ({status})",
        /// The product was discontinued, for good.
        Discontinued { product_id: String } => FailedPrecondition "PRODUCT_DISCONTINUED",
            en "product {product_id} is discontinued",
            ko "상품 {product_id} 은(는) 단종되었습니다",
        /// Somebody changed the product since the caller read it.
        EtagMismatch { product_id: String, etag: String } => Aborted "PRODUCT_ETAG_MISMATCH",
            en "product {product_id} was changed by somebody else, its etag is now {etag}",
            ko "상품 {product_id} 이(가) 다른 사용자에 의해 변경되었습니다. 현재 etag: {etag}",
        /// The mask names a field that cannot be updated.
        FieldMaskInvalid { path: String } => InvalidArgument "FIELD_MASK_INVALID",
            en "{path} cannot be updated",
            ko "{path} 필드는 변경할 수 없습니다", field "update_mask",
    }
}

/// Whether a product is shown and sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Available,
    Hidden,
    Discontinued,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Hidden => "HIDDEN",
            Self::Discontinued => "DISCONTINUED",
        }
    }

    /// The column's CHECK knows no others.
    pub fn from_name(name: &str) -> Self {
        match name {
            "AVAILABLE" => Self::Available,
            "HIDDEN" => Self::Hidden,
            _ => Self::Discontinued,
        }
    }

    pub fn check_on_sale(self, product_id: &str) -> Result<(), ProductRefusal> {
        match self {
            Self::Available => Ok(()),
            status => Err(ProductRefusal::NotOnSale {
                product_id: product_id.to_owned(),
                status: status.name().to_owned(),
            }),
        }
    }
}

/// A product as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub product_id: String,
    pub brand_id: String,
    pub name: String,
    pub description: String,
    pub category: String,
    pub image_url: String,
    pub price: i64,
    pub status: Status,
    pub edit: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Product {
    /// Refuses an edit by somebody who read another state; an empty etag edits whatever there is.
    pub fn check_etag(&self, etag: &str) -> Result<(), ProductRefusal> {
        if etag.is_empty() || etag == self.etag() {
            return Ok(());
        }
        Err(ProductRefusal::EtagMismatch {
            product_id: self.product_id.clone(),
            etag: self.etag(),
        })
    }

    /// Refuses to change what is over.
    pub fn check_not_discontinued(&self) -> Result<(), ProductRefusal> {
        if self.status == Status::Discontinued {
            return Err(ProductRefusal::Discontinued {
                product_id: self.product_id.clone(),
            });
        }
        Ok(())
    }

    /// Changes the status; `false` if it is so already. DISCONTINUED is final.
    pub fn set_status(&mut self, status: Status, now: Timestamp) -> Result<bool, ProductRefusal> {
        if self.status == status {
            return Ok(false);
        }
        self.check_not_discontinued()?;
        self.status = status;
        self.edited(now);
        Ok(true)
    }

    /// Applies an edit; `false` if it changes nothing.
    pub fn edit(&mut self, change: impl FnOnce(&mut Self), now: Timestamp) -> Result<bool, ProductRefusal> {
        self.check_not_discontinued()?;
        let before = self.clone();
        change(self);
        if *self == before {
            return Ok(false);
        }
        self.edited(now);
        Ok(true)
    }

    fn edited(&mut self, now: Timestamp) {
        self.edit += 1;
        self.updated_at = now;
    }

    fn etag(&self) -> String {
        format!("{}", self.edit)
    }

    /// As the contract shows it.
    pub fn shown(&self, currency: &Currency) -> contract::Product {
        let status = match self.status {
            Status::Available => contract::ProductStatus::Available,
            Status::Hidden => contract::ProductStatus::Hidden,
            Status::Discontinued => contract::ProductStatus::Discontinued,
        };
        contract::Product {
            product_id: self.product_id.clone(),
            brand_id: self.brand_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            category: self.category.clone(),
            image_url: self.image_url.clone(),
            price: Some(currency.money(self.price)),
            status: status.into(),
            etag: self.etag(),
            created_at: Some(to_proto(self.created_at)),
            updated_at: Some(to_proto(self.updated_at)),
        }
    }

    /// As events tell it, with the stock of the same moment.
    pub fn told(&self, level: &Level, currency: &Currency) -> Option<event::ProductSnapshot> {
        let status = match self.status {
            Status::Available => event::ProductStatus::Available,
            Status::Hidden => event::ProductStatus::Hidden,
            Status::Discontinued => event::ProductStatus::Discontinued,
        };
        Some(event::ProductSnapshot {
            product_id: self.product_id.clone(),
            brand_id: self.brand_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            category: self.category.clone(),
            image_url: self.image_url.clone(),
            price: Some(currency.money(self.price)),
            status: status.into(),
            created_at: Some(to_proto(self.created_at)),
            on_hand: level.on_hand,
            reserved: level.reserved,
        })
    }
}

/// The subject of a product's events.
pub(crate) fn subject(product_id: &str) -> String {
    format!("product/{product_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> Product {
        Product {
            product_id: "a".to_owned(),
            brand_id: "house".to_owned(),
            name: "A".to_owned(),
            description: String::new(),
            category: String::new(),
            image_url: String::new(),
            price: 100,
            status: Status::Available,
            edit: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn hidden_products_come_back_and_discontinued_ones_do_not() {
        let mut product = product();
        assert_eq!(product.set_status(Status::Hidden, Timestamp::UNIX_EPOCH), Ok(true));
        assert_eq!(product.set_status(Status::Available, Timestamp::UNIX_EPOCH), Ok(true));
        assert_eq!(
            product.set_status(Status::Discontinued, Timestamp::UNIX_EPOCH),
            Ok(true)
        );
        assert_eq!(
            product.set_status(Status::Discontinued, Timestamp::UNIX_EPOCH),
            Ok(false)
        );
        assert!(product.set_status(Status::Available, Timestamp::UNIX_EPOCH).is_err());
        assert!(
            product
                .edit(|product| product.price = 1, Timestamp::UNIX_EPOCH)
                .is_err()
        );
    }

    #[test]
    fn an_edit_of_what_somebody_else_changed_is_refused() {
        let mut product = product();
        let read = product.etag();
        assert_eq!(
            product.edit(|product| product.price = 200, Timestamp::UNIX_EPOCH),
            Ok(true)
        );
        assert!(product.check_etag(&read).is_err());
        assert!(product.check_etag("").is_ok());
        assert_eq!(
            product.edit(|product| product.price = 200, Timestamp::UNIX_EPOCH),
            Ok(false)
        );
    }
}
