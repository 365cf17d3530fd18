//! The CSV form that `import` and `load --replay` read: a catalogue, its campaigns, and half a year of baskets.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::read::GzDecoder;
use jiff::civil;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A row of `products.csv`. Prices are minor units, stock is pieces.
#[derive(Debug, Deserialize)]
pub struct ProductRow {
    /// Any id of `[A-Za-z0-9_-]`.
    pub product_id: String,
    /// The name of the brand.
    pub brand: String,
    /// The name of the product.
    pub name: String,
    /// Free text.
    pub category: String,
    /// Minor units.
    pub price: i64,
    /// Pieces on hand.
    pub stock: i64,
}

/// A row of `campaigns.csv`: a coupon of a fixed amount for selected products.
#[derive(Debug, Deserialize)]
pub struct CampaignRow {
    /// Id.
    pub campaign: String,
    /// Shown in its name.
    pub campaign_type: String,
    /// First day.
    pub starts_on: civil::Date,
    /// Last day.
    pub ends_on: civil::Date,
    /// Minor units off.
    pub amount: i64,
}

/// A row of `campaign_products.csv.gz`.
#[derive(Debug, Deserialize)]
pub struct CampaignProductRow {
    /// Campaign.
    pub campaign: String,
    /// A product its coupons are good for.
    pub product_id: String,
}

/// A row of `redemptions.csv`: the coupon used in a basket.
#[derive(Debug, Deserialize)]
pub struct RedemptionRow {
    /// Basket.
    pub basket_id: String,
    /// The campaign of the coupon.
    pub campaign: String,
}

/// A row of `baskets-<month>.csv.gz`; the lines of a basket follow each other.
#[derive(Debug, Deserialize)]
pub struct BasketRow {
    /// Basket.
    pub basket_id: String,
    /// Who bought.
    pub household_id: String,
    /// Local time.
    pub placed_at: civil::DateTime,
    /// What.
    pub product_id: String,
    /// How many.
    pub quantity: i64,
}

/// All rows of `<name>.csv` or `<name>.csv.gz` in `folder`.
///
/// # Errors
/// When there is neither, or a row does not fit; the message names file and line.
pub fn rows<R: DeserializeOwned>(folder: &Path, name: &str) -> anyhow::Result<Vec<R>> {
    let plain = folder.join(format!("{name}.csv"));
    let packed = folder.join(format!("{name}.csv.gz"));
    let (path, source): (PathBuf, Box<dyn Read>) = if plain.exists() {
        (plain.clone(), Box::new(File::open(&plain)?))
    } else {
        let file =
            File::open(&packed).with_context(|| format!("neither {} nor {}", plain.display(), packed.display()))?;
        (packed, Box::new(GzDecoder::new(file)))
    };
    let reader = csv::Reader::from_reader(source);
    reader
        .into_deserialize()
        .collect::<Result<Vec<R>, _>>()
        .with_context(|| path.display().to_string())
}

/// The months there are baskets of, in order, such as `2017-01`.
///
/// # Errors
/// When the folder cannot be read.
pub fn months(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut months: Vec<String> = names
        .filter_map(|name| Some(name.strip_prefix("baskets-")?.split('.').next()?.to_owned()))
        .collect();
    months.sort();
    Ok(months)
}

/// An id for a brand that the files know only by name: lower case, everything else a dash.
#[must_use]
pub fn brand_id(name: &str) -> String {
    let id: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    id.trim_matches('-').chars().take(64).collect()
}
