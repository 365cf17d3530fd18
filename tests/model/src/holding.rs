//! What an order takes from others: pieces of stock, or points. Both have the same life, and so has a coupon.

use crate::Defect;

/// Where it stands for the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// The order has never asked.
    #[default]
    None,
    /// RESERVED, held.
    Held,
    /// COMMITTED, settled.
    Spent,
    /// Given back before it was spent; also the tombstone where nothing was held.
    Released,
    /// RETURNED, refunded.
    GivenBack,
}

/// The owner's rule says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct No;

/// One owner's books, with one piece in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holding {
    /// On hand, available.
    pub free: u8,
    /// Reserved, held.
    pub held: u8,
    /// Sold, settled.
    pub spent: u8,
    /// What the order did.
    pub standing: Standing,
}

impl Default for Holding {
    fn default() -> Self {
        Self {
            free: 1,
            held: 0,
            spent: 0,
            standing: Standing::None,
        }
    }
}

impl Holding {
    /// `ReserveStock`, `HoldPoints`.
    pub(crate) fn take(&mut self) -> Result<(), No> {
        match self.standing {
            Standing::Held => Ok(()),
            Standing::None if self.free > 0 => {
                self.free -= 1;
                self.held += 1;
                self.standing = Standing::Held;
                Ok(())
            }
            _ => Err(No),
        }
    }

    /// `CommitStock`, `SettlePoints`.
    pub(crate) fn spend(&mut self) -> Result<(), No> {
        match self.standing {
            Standing::Spent => Ok(()),
            Standing::Held => {
                self.held -= 1;
                self.spent += 1;
                self.standing = Standing::Spent;
                Ok(())
            }
            _ => Err(No),
        }
    }

    /// `ReleaseStock`, `ReleasePoints`: where nothing was held, a tombstone refuses the late step.
    pub(crate) fn release(&mut self, defect: Option<Defect>) -> Result<(), No> {
        match self.standing {
            Standing::Released => {
                self.free += u8::from(defect == Some(Defect::RepeatedStepCounts));
                Ok(())
            }
            Standing::None => {
                if defect != Some(Defect::NoTombstone) {
                    self.standing = Standing::Released;
                }
                Ok(())
            }
            Standing::Held => {
                self.held -= 1;
                self.free += 1;
                self.standing = Standing::Released;
                Ok(())
            }
            _ => Err(No),
        }
    }

    /// `ReturnStock`, `RefundPoints`.
    pub(crate) fn give_back(&mut self) -> Result<(), No> {
        match self.standing {
            Standing::GivenBack => Ok(()),
            Standing::Spent => {
                self.spent -= 1;
                self.free += 1;
                self.standing = Standing::GivenBack;
                Ok(())
            }
            _ => Err(No),
        }
    }

    /// Whether nothing was lost or made up, and the sums say what the order did.
    pub(crate) fn is_conserved(&self) -> bool {
        self.free + self.held + self.spent == 1
            && (self.held == 1) == (self.standing == Standing::Held)
            && (self.spent == 1) == (self.standing == Standing::Spent)
    }

    /// Whether the order has nothing of it.
    pub(crate) fn is_back(&self) -> bool {
        self.held == 0 && self.spent == 0
    }
}
