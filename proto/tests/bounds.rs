//! Requests at their bounds and one past them.

use prost_types::{FieldMask, Timestamp};
use proto::catalog::v1::{
    Behaviour, BehaviourKind, ImportProductsRequest, ImportRow, RecordRequest, RegisterProductRequest,
    ReserveStockRequest, RestockRequest, StockLine, UpdateProductRequest,
};
use proto::money::v1::Money;
use proto::order::v1::{LineToOrder, PlaceOrderRequest};
use proto::payment::v1::TokenizeCardRequest;
use proto::readmodel::v1::{BatchGetProductsRequest, ListOrdersRequest, ListProductsRequest};
use proto::{Contract, Violation};

fn won(minor_units: i64) -> Money {
    Money {
        currency_code: "KRW".into(),
        minor_units,
    }
}

fn product() -> RegisterProductRequest {
    RegisterProductRequest {
        brand_id: "7".into(),
        name: "사과".into(),
        price: Some(won(1_000)),
        ..Default::default()
    }
}

fn order(lines: usize, quantity: i64) -> PlaceOrderRequest {
    let line = LineToOrder {
        product_id: "42".into(),
        quantity,
    };
    PlaceOrderRequest {
        lines: vec![line; lines],
        ..Default::default()
    }
}

#[track_caller]
fn assert_fields(request: &impl Contract, fields: &[&str]) {
    let violations = request.violations();
    let found: Vec<&str> = violations.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(found, fields, "{violations:?}");
}

#[test]
fn a_request_within_its_bounds_breaks_none() {
    assert_fields(&product(), &[]);
    assert_fields(&order(200, 10_000), &[]);
}

#[test]
fn a_violation_names_the_path_and_the_bound() {
    let mut request = order(5, 1);
    request.lines[3].quantity = 10_001;
    assert_eq!(
        request.violations(),
        [Violation {
            field: "lines[3].quantity".into(),
            description: "must be 1 to 10000".into()
        }]
    );
}

#[test]
fn lists_have_a_least_and_a_most_size() {
    assert_fields(&order(0, 1), &["lines"]);
    assert_fields(&order(201, 1), &["lines"]);
    let batch = |count| BatchGetProductsRequest {
        product_ids: vec!["42".into(); count],
        revision: String::new(),
    };
    assert_fields(&batch(100), &[]);
    assert_fields(&batch(101), &["product_ids"]);
}

#[test]
fn numbers_stay_in_their_range() {
    for quantity in [0, -1, 10_001, i64::MIN, i64::MAX] {
        assert_fields(&order(1, quantity), &["lines[0].quantity"]);
    }
    let page = |page_size, skip| ListProductsRequest {
        page_size,
        skip,
        ..Default::default()
    };
    assert_fields(&page(i32::MAX, 10_000), &[]);
    assert_fields(&page(-1, 10_001), &["page_size", "skip"]);
    assert_eq!(page(-1, 0).violations()[0].description, "must be at least 0");
}

#[test]
fn money_is_not_negative_and_has_a_currency() {
    for minor_units in [-1, 1_000_000_000_000_001, i64::MIN, i64::MAX] {
        let request = RegisterProductRequest {
            price: Some(won(minor_units)),
            ..product()
        };
        assert_fields(&request, &["price.minor_units"]);
    }
    for currency_code in ["", "krw", "KRWX", "KR", "K\u{202e}R"] {
        let mut price = won(1);
        price.currency_code = currency_code.into();
        let request = RegisterProductRequest {
            price: Some(price),
            ..product()
        };
        assert_fields(&request, &["price.currency_code"]);
    }
    let request = RegisterProductRequest {
        price: None,
        ..product()
    };
    assert_fields(&request, &["price"]);
}

#[test]
fn lengths_count_characters_not_bytes() {
    let named = |name: String| RegisterProductRequest { name, ..product() };
    assert_fields(&named("가".repeat(256)), &[]);
    assert_fields(&named("가".repeat(257)), &["name"]);
    assert_fields(&named(String::new()), &["name"]);
}

#[test]
fn ids_are_1_to_64_plain_characters() {
    let restock = |product_id: &str| RestockRequest {
        product_id: product_id.into(),
        quantity: 1,
        request_id: String::new(),
    };
    assert_fields(&restock(&"a".repeat(64)), &[]);
    assert_fields(&restock("A_z-09"), &[]);
    for product_id in ["", &"a".repeat(65), "a b", "a/b", "사과", "a\0", "a\n"] {
        assert_fields(&restock(product_id), &["product_id"]);
    }
}

#[test]
fn an_optional_id_may_be_empty_but_not_wrong() {
    let registered = |product_id: &str| RegisterProductRequest {
        product_id: product_id.into(),
        ..product()
    };
    assert_fields(&registered(""), &[]);
    assert_fields(&registered("a b"), &["product_id"]);
}

#[test]
fn texts_that_read_as_something_else_are_refused() {
    for trick in [
        "a\0b",
        "a\r\nb",
        "a\tb",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{ad}b",
        "a\u{200b}b",
        "a\u{200d}b",
        "a\u{200e}b",
        "a\u{2028}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{2069}b",
        "a\u{feff}b",
        "a\u{e0041}b",
    ] {
        let request = RegisterProductRequest {
            name: trick.into(),
            ..product()
        };
        assert_fields(&request, &["name"]);
    }
    for fine in ["é", "e\u{301}", "日本語", "👍🏽", "a  b", "שלום"] {
        let request = RegisterProductRequest {
            name: fine.into(),
            ..product()
        };
        assert_fields(&request, &[]);
    }
}

#[test]
fn only_a_description_has_line_breaks() {
    let request = RegisterProductRequest {
        description: "one\n\ttwo".into(),
        category: "one\ntwo".into(),
        ..product()
    };
    assert_fields(&request, &["category"]);
    let request = RegisterProductRequest {
        description: "one\r\ntwo".into(),
        ..product()
    };
    assert_fields(&request, &["description"]);
}

#[test]
fn a_request_id_is_a_uuid_or_empty() {
    let with = |request_id: &str| PlaceOrderRequest {
        request_id: request_id.into(),
        ..order(1, 1)
    };
    let id = "0199c0de-0000-7000-8000-00000000000F";
    assert_fields(&with(id), &[]);
    assert_eq!(with(id).request_id(), Some(id));
    assert_fields(&with(""), &[]);
    assert_eq!(with("").request_id(), None);
    for wrong in ["x", &id[1..], &id.replace('-', "0"), &id.replace('F', "g")] {
        assert_fields(&with(wrong), &["request_id"]);
    }
    assert_eq!(ListProductsRequest::default().request_id(), None);
}

#[test]
fn a_card_number_has_its_shape_and_is_never_echoed() {
    let with = |card_number: &str| TokenizeCardRequest {
        card_type: 1,
        card_number: card_number.into(),
        request_id: String::new(),
    };
    assert_fields(&with("1111-2222-3333-0001"), &[]);
    for wrong in ["", "1111222233330001", "1111-2222-3333-000", "1111-2222-3333-000x"] {
        assert_fields(&with(wrong), &["card_number"]);
        let said = format!("{:?}", with(wrong).violations());
        assert!(wrong.is_empty() || !said.contains(wrong));
    }
}

#[test]
fn enums_are_defined_and_given_where_they_must_be() {
    let seen = |kind| RecordRequest {
        behaviours: vec![Behaviour {
            product_id: "42".into(),
            kind,
            occurred_at: Some(Timestamp::default()),
        }],
        ..Default::default()
    };
    assert_fields(&seen(BehaviourKind::View.into()), &[]);
    for kind in [0, 3, -1, i32::MAX] {
        assert_fields(&seen(kind), &["behaviours[0].kind"]);
    }
    let sorted = |sort| ListProductsRequest {
        sort,
        ..Default::default()
    };
    assert_fields(&sorted(0), &[]);
    assert_fields(&sorted(5), &["sort"]);
    let filtered = ListOrdersRequest {
        states: vec![1, 0, 6],
        ..Default::default()
    };
    assert_fields(&filtered, &["states[1]"]);
}

#[test]
fn times_are_of_the_years_1_to_9999() {
    let after = |seconds, nanos| ListOrdersRequest {
        placed_after: Some(Timestamp { seconds, nanos }),
        ..Default::default()
    };
    assert_fields(&after(-62_135_596_800, 0), &[]);
    assert_fields(&after(253_402_300_799, 999_999_999), &[]);
    for (seconds, nanos) in [
        (-62_135_596_801, 0),
        (253_402_300_800, 0),
        (0, -1),
        (0, 1_000_000_000),
        (i64::MIN, 0),
        (i64::MAX, 0),
    ] {
        assert_fields(&after(seconds, nanos), &["placed_after"]);
    }
}

#[test]
fn a_required_message_must_be_given() {
    let mut request = UpdateProductRequest {
        product_id: "42".into(),
        ..Default::default()
    };
    assert_fields(&request, &["update_mask"]);
    request.update_mask = Some(FieldMask::default());
    assert_fields(&request, &[]);
}

#[test]
fn at_most_20_violations_are_told() {
    let request = ReserveStockRequest {
        order_id: String::new(),
        lines: vec![StockLine::default(); 200],
        request_id: String::new(),
    };
    assert_eq!(request.violations().len(), 20);
    let request = ImportProductsRequest {
        rows: vec![ImportRow::default(); 500],
        request_id: String::new(),
    };
    assert_eq!(request.violations().len(), 20);
}
