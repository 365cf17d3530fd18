//! The catalogue as administrators and services see it, and what its tables hold.

use jangteo::client::Client;
use kit::database::Sql;
use kit::values;
use proto::catalog::v1::product_service_client::ProductServiceClient;
use proto::catalog::v1::stock_service_client::StockServiceClient;
use proto::catalog::v1::*;
use proto::money::v1::Money;
use support::TestShop;
use tonic::Status;

pub struct Catalogue<'a>(pub &'a TestShop);

#[derive(sea_orm::FromQueryResult)]
struct Count {
    count: i64,
}

impl Catalogue<'_> {
    pub fn products(&self) -> ProductServiceClient<Client> {
        ProductServiceClient::new(self.0.connected().as_admin())
    }

    /// Called as a service.
    pub fn stock(&self) -> StockServiceClient<Client> {
        StockServiceClient::new(self.0.connected().as_service())
    }

    /// Called as an administrator.
    pub fn warehouse(&self) -> StockServiceClient<Client> {
        StockServiceClient::new(self.0.connected().as_admin())
    }

    pub async fn import(&self, rows: Vec<ImportRow>) -> ImportProductsResponse {
        let message = ImportProductsRequest {
            rows,
            ..Default::default()
        };
        self.products()
            .import_products(tokio_stream::iter([message]))
            .await
            .unwrap()
            .into_inner()
    }

    pub async fn reserve(&self, order: &str, lines: &[(&str, i64)]) -> Result<ReserveStockResponse, Status> {
        let line = |(id, quantity): &(&str, i64)| StockLine {
            product_id: (*id).to_owned(),
            quantity: *quantity,
        };
        let lines = lines.iter().map(line).collect();
        let request = ReserveStockRequest {
            order_id: order.to_owned(),
            lines,
            ..Default::default()
        };
        Ok(self.stock().reserve_stock(request).await?.into_inner())
    }

    pub async fn commit(&self, order: &str) -> Result<(), Status> {
        let request = CommitStockRequest {
            order_id: order.to_owned(),
            ..Default::default()
        };
        self.stock().commit_stock(request).await.map(drop)
    }

    pub async fn release(&self, order: &str) -> Result<(), Status> {
        let request = ReleaseStockRequest {
            order_id: order.to_owned(),
            ..Default::default()
        };
        self.stock().release_stock(request).await.map(drop)
    }

    pub async fn give_back(&self, order: &str) -> Result<(), Status> {
        let request = ReturnStockRequest {
            order_id: order.to_owned(),
            ..Default::default()
        };
        self.stock().return_stock(request).await.map(drop)
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.0
            .shop()
            .tables()
            .catalog
            .reader()
            .find::<Count>(sql, vec![])
            .await
            .unwrap()
            .unwrap()
            .count
    }

    /// (on hand, reserved, sold)
    pub async fn level(&self, product: &str) -> (i64, i64, i64) {
        #[derive(sea_orm::FromQueryResult)]
        struct Row {
            on_hand: i64,
            reserved: i64,
            sold: i64,
        }
        let sql = "SELECT on_hand, reserved, sold FROM stock_levels WHERE product_id = $1";
        let row: Row = self
            .0
            .shop()
            .tables()
            .catalog
            .reader()
            .find(sql, values![product])
            .await
            .unwrap()
            .unwrap();
        (row.on_hand, row.reserved, row.sold)
    }

    /// The versions of every subject are 1, 2, 3 without gaps, and the last is its aggregate's.
    pub async fn assert_gapless(&self) {
        let gaps = "SELECT COUNT(*) AS count FROM (SELECT aggregateid FROM outbox GROUP BY aggregateid
            HAVING MIN(version) <> 1 OR MAX(version) <> COUNT(*)) AS gaps";
        assert_eq!(self.count(gaps).await, 0);
        let behind = "SELECT COUNT(*) AS count FROM stock_levels s WHERE s.version <>
            (SELECT MAX(o.version) FROM outbox o WHERE o.aggregateid = 'product/' || s.product_id)";
        assert_eq!(self.count(behind).await, 0);
        let behind = "SELECT COUNT(*) AS count FROM reservations r WHERE r.version <>
            (SELECT MAX(o.version) FROM outbox o WHERE o.aggregateid = 'reservation/' || r.order_id)";
        assert_eq!(self.count(behind).await, 0);
    }
}

pub fn usd(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "USD".to_owned(),
        minor_units,
    })
}

pub fn row(id: &str, stock: i64) -> ImportRow {
    ImportRow {
        product_id: id.to_owned(),
        brand_id: "house".to_owned(),
        brand_name: "House".to_owned(),
        name: id.to_uppercase(),
        price: usd(100),
        stock,
        ..Default::default()
    }
}

/// The stable reason of a call that must be refused.
pub fn refused<T>(outcome: Result<T, Status>) -> String {
    support::reason(&outcome.err().unwrap())
}
