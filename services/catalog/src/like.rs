//! Likes: one a user and product; an unliked one keeps its row and version.

pub(crate) mod like_product;
