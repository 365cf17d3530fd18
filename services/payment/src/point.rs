//! The rules of points: what may become of what an order holds, and which two entries make a movement.

pub(crate) mod charge_points;
pub(crate) mod hold_points;
pub(crate) mod preview_points;
pub(crate) mod refund_points;
pub(crate) mod release_points;
pub(crate) mod settle_points;
mod store;

use kit::refusals;

/// The most points a user has, available and held together: what [`proto::money::v1::Money`] can say, in minor units.
pub(crate) const BALANCE_MINOR_UNITS_MAX: i64 = 1_000_000_000_000_000;

refusals! {
    /// Why points do not move.
    pub enum PointRefusal {
        /// Nothing is no amount to charge or hold.
        AmountZero {} => InvalidArgument "POINTS_AMOUNT_ZERO",
            en "the amount must be 1 or more",
            ko "포인트는 1 이상이어야 합니다", field "amount",
        /// The user has fewer points than the order wants to hold.
        Insufficient { requested: i64, available: i64 } => FailedPrecondition "POINTS_INSUFFICIENT",
            en "{requested} points are wanted, {available} are available",
            ko "포인트가 부족합니다: 요청 {requested}, 사용 가능 {available}",
        /// A user cannot have so many points.
        Overflow { maximum: i64 } => FailedPrecondition "POINTS_OVERFLOW",
            en "a user has at most {maximum} points",
            ko "포인트는 최대 {maximum}까지 보유할 수 있습니다",
        /// What paid for these points has paid for others before.
        FundingReferenceUsed { funding_reference: String } => AlreadyExists "FUNDING_REFERENCE_USED",
            en "funding reference {funding_reference} paid for another charge",
            ko "결제 참조 {funding_reference} 은(는) 이미 다른 충전에 사용되었습니다",
        /// The order holds no points of this user.
        HoldNotFound { order_id: String } => NotFound "POINTS_HOLD_NOT_FOUND",
            en "order {order_id} holds no points",
            ko "주문 {order_id} 에 보류된 포인트가 없습니다",
        /// The order holds another amount, or another user's points.
        HoldDiffers { order_id: String } => AlreadyExists "POINTS_HOLD_DIFFERS",
            en "order {order_id} holds points already, and others",
            ko "주문 {order_id} 에 다른 포인트가 이미 보류되어 있습니다",
        /// The order let its points go, or was told to before it held any.
        Released { order_id: String } => FailedPrecondition "POINTS_RELEASED",
            en "order {order_id} has released its points",
            ko "주문 {order_id} 의 포인트는 이미 해제되었습니다",
        /// The order has spent its points.
        Settled { order_id: String } => FailedPrecondition "POINTS_SETTLED",
            en "order {order_id} has spent its points",
            ko "주문 {order_id} 의 포인트는 이미 사용되었습니다",
        /// The order has not spent its points.
        NotSettled { order_id: String } => FailedPrecondition "POINTS_NOT_SETTLED",
            en "order {order_id} has not spent its points",
            ko "주문 {order_id} 의 포인트가 아직 사용되지 않았습니다",
        /// The points the order had spent were given back.
        Refunded { order_id: String } => FailedPrecondition "POINTS_REFUNDED",
            en "the points of order {order_id} were given back",
            ko "주문 {order_id} 의 포인트는 이미 환불되었습니다",
    }
}

/// The points of a user in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) available: i64,
    pub(crate) held: i64,
}

/// What an order does with points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) order_id: String,
    pub(crate) user_id: String,
    /// Minor units; 0 in a tombstone.
    pub(crate) amount: i64,
    pub(crate) state: HoldState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoldState {
    Held,
    Settled,
    Released,
    Refunded,
}

/// Where an entry stands: the user's two accounts, and everything that is not the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    Available,
    Held,
    Outside,
}

/// One way for points to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Charge,
    Hold,
    Settle,
    Release,
    Refund,
}

impl Step {
    /// The account that gets less, and the one that gets more.
    pub(crate) fn accounts(self) -> (Account, Account) {
        match self {
            Self::Charge | Self::Refund => (Account::Outside, Account::Available),
            Self::Hold => (Account::Available, Account::Held),
            Self::Settle => (Account::Held, Account::Outside),
            Self::Release => (Account::Held, Account::Available),
        }
    }

    /// What a movement of `amount` minor units changes on an account.
    pub(crate) fn change(self, account: Account, amount: i64) -> i64 {
        match self.accounts() {
            (less, _) if less == account => -amount,
            (_, more) if more == account => amount,
            _ => 0,
        }
    }
}

impl Hold {
    /// Asks for the same hold once more; `Ok` means already so.
    pub(crate) fn hold_again(&self, user_id: &str, amount: i64) -> Result<(), PointRefusal> {
        let order_id = self.order_id.clone();
        match self.state {
            HoldState::Held if self.user_id == user_id && self.amount == amount => Ok(()),
            HoldState::Held => Err(PointRefusal::HoldDiffers { order_id }),
            HoldState::Settled => Err(PointRefusal::Settled { order_id }),
            HoldState::Released => Err(PointRefusal::Released { order_id }),
            HoldState::Refunded => Err(PointRefusal::Refunded { order_id }),
        }
    }

    /// Spends; `None` means already so.
    pub(crate) fn settle(&self) -> Result<Option<HoldState>, PointRefusal> {
        let order_id = self.order_id.clone();
        match self.state {
            HoldState::Held => Ok(Some(HoldState::Settled)),
            HoldState::Settled => Ok(None),
            HoldState::Released => Err(PointRefusal::Released { order_id }),
            HoldState::Refunded => Err(PointRefusal::Refunded { order_id }),
        }
    }

    /// Lets go; `None` means already so.
    pub(crate) fn release(&self) -> Result<Option<HoldState>, PointRefusal> {
        let order_id = self.order_id.clone();
        match self.state {
            HoldState::Held => Ok(Some(HoldState::Released)),
            HoldState::Released => Ok(None),
            HoldState::Settled => Err(PointRefusal::Settled { order_id }),
            HoldState::Refunded => Err(PointRefusal::Refunded { order_id }),
        }
    }

    /// Gives back what was spent; `None` means already so.
    pub(crate) fn refund(&self) -> Result<Option<HoldState>, PointRefusal> {
        let order_id = self.order_id.clone();
        match self.state {
            HoldState::Settled => Ok(Some(HoldState::Refunded)),
            HoldState::Refunded => Ok(None),
            HoldState::Held => Err(PointRefusal::NotSettled { order_id }),
            HoldState::Released => Err(PointRefusal::Released { order_id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(state: HoldState) -> Hold {
        Hold {
            order_id: "o".into(),
            user_id: "mina".into(),
            amount: 500,
            state,
        }
    }

    #[test]
    fn every_movement_sums_to_zero() {
        for step in [Step::Charge, Step::Hold, Step::Settle, Step::Release, Step::Refund] {
            let accounts = [Account::Available, Account::Held, Account::Outside];
            assert_eq!(
                accounts.map(|account| step.change(account, 700)).iter().sum::<i64>(),
                0,
                "{step:?}"
            );
        }
    }

    #[test]
    fn a_hold_is_settled_or_released_exactly_once_and_refunded_only_when_settled() {
        let order_id = || "o".to_owned();
        let held = hold(HoldState::Held);
        assert_eq!(held.settle(), Ok(Some(HoldState::Settled)));
        assert_eq!(held.release(), Ok(Some(HoldState::Released)));
        assert_eq!(held.refund(), Err(PointRefusal::NotSettled { order_id: order_id() }));
        let settled = hold(HoldState::Settled);
        assert_eq!(settled.settle(), Ok(None));
        assert_eq!(settled.release(), Err(PointRefusal::Settled { order_id: order_id() }));
        assert_eq!(settled.refund(), Ok(Some(HoldState::Refunded)));
        let released = hold(HoldState::Released);
        assert_eq!(released.settle(), Err(PointRefusal::Released { order_id: order_id() }));
        assert_eq!(released.release(), Ok(None));
        assert_eq!(released.refund(), Err(PointRefusal::Released { order_id: order_id() }));
        let refunded = hold(HoldState::Refunded);
        assert_eq!(refunded.settle(), Err(PointRefusal::Refunded { order_id: order_id() }));
        assert_eq!(refunded.release(), Err(PointRefusal::Refunded { order_id: order_id() }));
        assert_eq!(refunded.refund(), Ok(None));
    }

    #[test]
    fn holding_again_is_the_same_hold_only_for_the_same_user_and_amount() {
        assert_eq!(hold(HoldState::Held).hold_again("mina", 500), Ok(()));
        let differs = PointRefusal::HoldDiffers { order_id: "o".into() };
        assert_eq!(hold(HoldState::Held).hold_again("mina", 501), Err(differs.clone()));
        assert_eq!(hold(HoldState::Held).hold_again("jun", 500), Err(differs));
        let released = PointRefusal::Released { order_id: "o".into() };
        assert_eq!(hold(HoldState::Released).hold_again("mina", 500), Err(released));
    }
}
