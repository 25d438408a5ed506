//! What one session was told of one target, event by event.

/// The account of a target: every event since the session began has come, or was told as lost, once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// The next sequence; `None` before the first state.
    due: Option<u64>,
    /// Events that came.
    pub(crate) came: u64,
    /// Events that were told as lost, by gaps.
    pub(crate) lost: u64,
    /// How many are lost in all, as `dropped_count` said last.
    counted: u64,
    /// Events that neither came nor were told as lost.
    pub(crate) unshown: u64,
    /// Events that came or were told as lost although they had been before.
    pub(crate) twice: u64,
}

impl Account {
    /// A state came whose last event is this one. The session begins with the first.
    pub(crate) fn state(&mut self, last: u64) {
        self.due.get_or_insert(last + 1);
    }

    /// Whether the session has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.due.is_some()
    }

    pub(crate) fn event(&mut self, sequence: u64) {
        let due = self.due.unwrap_or(sequence);
        if sequence < due {
            self.twice += 1;
            return;
        }
        self.unshown += sequence - due;
        self.came += 1;
        self.due = Some(sequence + 1);
    }

    pub(crate) fn gap(&mut self, from: u64, to: u64) {
        let due = self.due.unwrap_or(from);
        self.unshown += from.saturating_sub(due);
        self.twice += due.min(to + 1).saturating_sub(from);
        let next = due.max(to + 1);
        self.lost += next - due.max(from).min(next);
        self.due = Some(next);
    }

    /// So many events are lost in all.
    pub(crate) fn dropped(&mut self, count: u64) {
        self.counted = count;
    }

    /// The sequence of the last event that came or is lost; 0 before the first state.
    pub(crate) fn known(&self) -> u64 {
        self.due.map_or(0, |due| due - 1)
    }

    /// Whether everything up to this event came or is lost.
    pub(crate) fn reaches(&self, head: u64) -> bool {
        self.due.is_some_and(|due| due > head)
    }

    /// Nothing more comes, and this was the last event of the target.
    pub(crate) fn close(&mut self, head: u64) {
        let due = self.due.unwrap_or(1);
        self.unshown += (head + 1).saturating_sub(due);
        self.due = Some(due.max(head + 1));
    }

    /// Whether the gaps and the counts say the same.
    pub(crate) fn agrees(&self) -> bool {
        self.counted == self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(last: u64) -> Account {
        let mut account = Account::default();
        account.state(last);
        account
    }

    #[test]
    fn what_comes_in_order_adds_up() {
        let mut account = begun(7);
        (8..=10).for_each(|sequence| account.event(sequence));
        assert!(account.reaches(10) && !account.reaches(11));
        account.close(10);
        assert_eq!((account.came, account.lost, account.unshown, account.twice), (3, 0, 0, 0));
    }

    #[test]
    fn what_a_gap_tells_is_lost_and_not_unshown() {
        let mut account = begun(7);
        account.event(8);
        account.gap(9, 20);
        assert!(!account.agrees(), "the count has not come yet");
        account.dropped(12);
        // A state that comes again changes nothing.
        account.state(15);
        account.event(21);
        account.close(21);
        assert_eq!((account.came, account.lost, account.unshown, account.twice), (2, 12, 0, 0));
        assert!(account.agrees());
    }

    #[test]
    fn a_hole_that_nobody_told_is_unshown_in_the_middle_before_a_gap_and_at_the_end() {
        let mut account = begun(7);
        account.event(10);
        assert_eq!(account.unshown, 2);
        account.gap(12, 13);
        assert_eq!((account.unshown, account.lost), (3, 2));
        account.close(20);
        assert_eq!(account.unshown, 10);
        let mut silent = Account::default();
        silent.close(5);
        assert_eq!(silent.unshown, 5, "of which no state ever came");
    }

    #[test]
    fn what_comes_again_is_counted_as_that() {
        let mut account = begun(7);
        account.event(8);
        account.event(8);
        account.gap(7, 9);
        assert_eq!((account.came, account.lost, account.unshown, account.twice), (1, 1, 0, 3));
        account.gap(1, 2);
        assert_eq!((account.lost, account.twice, account.reaches(9)), (1, 5, true));
    }
}
