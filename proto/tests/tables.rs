//! The tables derived from the contracts.

use std::collections::BTreeSet;

use proto::access::v1::Role;
use proto::catalog::v1::LikeProductResponse;
use proto::event::v1::ProductLiked;
use proto::event::v1::event::Fact;
use proto::{FACTS, METHODS, Method, Revised};

fn method(path: &str) -> &'static Method {
    METHODS
        .iter()
        .find(|method| method.path == path)
        .expect("the method is in the table")
}

#[test]
fn every_method_names_who_may_call_it() {
    for method in METHODS {
        assert!(!method.roles.is_empty(), "{}", method.path);
        assert!(!method.roles.contains(&Role::Unspecified), "{}", method.path);
    }
    let paths: BTreeSet<_> = METHODS.iter().map(|method| method.path).collect();
    assert_eq!(paths.len(), METHODS.len());
}

#[test]
fn a_gateway_may_call_exactly_what_a_customer_may() {
    for method in METHODS {
        assert_eq!(
            method.roles.contains(&Role::Customer),
            method.roles.contains(&Role::Gateway),
            "{}",
            method.path
        );
    }
}

#[test]
fn commands_and_queries_are_told_apart() {
    assert_eq!(
        *method("/jangteo.catalog.v1.StockService/ReserveStock"),
        Method {
            path: "/jangteo.catalog.v1.StockService/ReserveStock",
            roles: &[Role::Service],
            mutates: true,
            client_streaming: false,
            server_streaming: false,
        }
    );
    assert!(!method("/jangteo.order.v1.OrderService/PreviewOrder").mutates);
    assert!(method("/jangteo.readmodel.v1.OrderQueryService/WatchOrder").server_streaming);
    assert!(method("/jangteo.catalog.v1.ProductService/ImportProducts").client_streaming);
}

#[test]
fn facts_are_told_by_the_service_that_owns_them() {
    let liked = FACTS
        .iter()
        .find(|fact| fact.name == "ProductLiked")
        .expect("the fact is in the table");
    assert_eq!(liked.message, "jangteo.event.v1.ProductLiked");
    assert_eq!(liked.source, "catalog");
    assert!(liked.comment.starts_with("A user likes a product."));
    let sources: BTreeSet<_> = FACTS.iter().map(|fact| fact.source).collect();
    assert_eq!(
        sources,
        ["catalog", "coupon", "notification", "order", "payment"].into()
    );
    assert_eq!(Fact::ProductLiked(ProductLiked::default()).name(), liked.name);
}

#[test]
fn a_response_takes_its_revision() {
    let mut response = LikeProductResponse::default();
    response.set_revision("r1".into());
    assert_eq!(response.revision, "r1");
}
