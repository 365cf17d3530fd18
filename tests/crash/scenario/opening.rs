//! The opening of the day: goods, campaigns, points, and people who look around.

use kit::clock::{Clock, to_proto};
use prost_types::FieldMask;
use proto::catalog::v1 as catalog;
use proto::coupon::v1 as coupon;
use proto::payment::v1 as payment;
use support::shop::money;

use super::{POINTS, Scenario};

impl Scenario {
    pub(super) async fn open(&self) {
        self.stock().await;
        self.open_campaigns().await;
        self.behave().await;
        let funding = payment::ChargePointsRequest {
            amount: Some(money(POINTS)),
            funding_reference: "gift".to_owned(),
            ..Default::default()
        };
        done!(self.service, "payment.v1.PointService" / ChargePoints, funding);
    }

    async fn stock(&self) {
        let row = |id: &str, price, stock| catalog::ImportRow {
            product_id: id.to_owned(),
            brand_id: "house".to_owned(),
            brand_name: "House".to_owned(),
            name: id.to_owned(),
            category: "THINGS".to_owned(),
            price: Some(money(price)),
            stock,
            ..Default::default()
        };
        let rows = vec![row("lamp", 900, 90), row("desk", 2_000, 50)];
        // a stream of one message is on the wire what a single message is
        let imported: catalog::ImportProductsResponse = call!(
            self.admin,
            "catalog.v1.ProductService" / ImportProducts,
            catalog::ImportProductsRequest {
                rows,
                ..Default::default()
            }
        )
        .unwrap();
        assert_eq!(imported.refused, 0);
        let brand = || "attic".to_owned();
        done!(
            self.admin,
            "catalog.v1.ProductService" / RegisterBrand,
            catalog::RegisterBrandRequest {
                brand_id: brand(),
                name: "Attic".to_owned(),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "catalog.v1.ProductService" / UpdateBrand,
            catalog::UpdateBrandRequest {
                brand_id: brand(),
                name: "The Attic".to_owned(),
                ..Default::default()
            }
        );
        let chair = || "chair".to_owned();
        done!(
            self.admin,
            "catalog.v1.ProductService" / RegisterProduct,
            catalog::RegisterProductRequest {
                product_id: chair(),
                brand_id: brand(),
                name: "Chair".to_owned(),
                price: Some(money(500)),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "catalog.v1.ProductService" / UpdateProduct,
            catalog::UpdateProductRequest {
                product_id: chair(),
                name: "Old Chair".to_owned(),
                update_mask: Some(FieldMask {
                    paths: vec!["name".to_owned()]
                }),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "catalog.v1.ProductService" / ChangePrice,
            catalog::ChangePriceRequest {
                product_id: "lamp".to_owned(),
                price: Some(money(1_000)),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "catalog.v1.ProductService" / HideProduct,
            catalog::HideProductRequest {
                product_id: chair(),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "catalog.v1.ProductService" / ShowProduct,
            catalog::ShowProductRequest {
                product_id: chair(),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "catalog.v1.ProductService" / DiscontinueProduct,
            catalog::DiscontinueProductRequest {
                product_id: chair(),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "catalog.v1.StockService" / Restock,
            catalog::RestockRequest {
                product_id: "lamp".to_owned(),
                quantity: 20,
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "catalog.v1.StockService" / AdjustStock,
            catalog::AdjustStockRequest {
                product_id: "lamp".to_owned(),
                counted: 100,
                why: "counted".to_owned(),
                ..Default::default()
            }
        );
    }

    async fn open_campaigns(&self) {
        let now = Clock::default().now();
        let at = |hours: i64| Some(to_proto(now + jiff::Span::new().hours(hours)));
        for campaign_id in ["spring", "over"] {
            done!(
                self.admin,
                "coupon.v1.CampaignService" / OpenCampaign,
                coupon::OpenCampaignRequest {
                    campaign_id: campaign_id.to_owned(),
                    name: campaign_id.to_owned(),
                    kind: coupon::CampaignKind::Fixed.into(),
                    discount_amount: Some(money(300)),
                    applies_to: coupon::CampaignScope::Selected.into(),
                    per_user_limit: 1,
                    issue_from: at(-1),
                    issue_until: at(24),
                    valid_from: at(-1),
                    valid_until: at(24),
                    ..Default::default()
                }
            );
        }
        done!(
            self.admin,
            "coupon.v1.CampaignService" / AddCampaignProducts,
            coupon::AddCampaignProductsRequest {
                campaign_id: "spring".to_owned(),
                product_ids: vec!["lamp".to_owned()],
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "coupon.v1.CampaignService" / CloseCampaign,
            coupon::CloseCampaignRequest {
                campaign_id: "over".to_owned(),
                ..Default::default()
            }
        );
    }

    async fn behave(&self) {
        let lamp = || "lamp".to_owned();
        done!(
            self.mina,
            "catalog.v1.LikeService" / LikeProduct,
            catalog::LikeProductRequest {
                product_id: lamp(),
                ..Default::default()
            }
        );
        done!(
            self.mina,
            "catalog.v1.LikeService" / LikeProduct,
            catalog::LikeProductRequest {
                product_id: "desk".to_owned(),
                ..Default::default()
            }
        );
        done!(
            self.mina,
            "catalog.v1.LikeService" / UnlikeProduct,
            catalog::UnlikeProductRequest {
                product_id: lamp(),
                ..Default::default()
            }
        );
        let seen = catalog::Behaviour {
            product_id: lamp(),
            kind: catalog::BehaviourKind::View.into(),
            occurred_at: Some(to_proto(Clock::default().now())),
        };
        done!(
            self.mina,
            "catalog.v1.BehaviourService" / Record,
            catalog::RecordRequest {
                behaviours: vec![seen],
                ..Default::default()
            }
        );
    }
}
