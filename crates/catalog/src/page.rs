//! Lists in pages: each ends with a cursor from which the next one starts.

/// Which page.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The sort key of the last item of the page before.
    pub after: Option<String>,
    /// Items at most.
    pub limit: usize,
}

impl PageRequest {
    /// One more than wanted, to see whether there are more.
    pub(crate) fn probe(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// In order.
    pub items: Vec<T>,
    /// Whether others follow.
    pub more: bool,
}

impl<T> Page<T> {
    /// Returns the only page of a list of at most one item.
    pub fn of_one(item: Option<T>) -> Self {
        Self { items: item.into_iter().collect(), more: false }
    }

    pub(crate) fn of(mut items: Vec<T>, request: &PageRequest) -> Self {
        let more = items.len() > request.limit;
        items.truncate(request.limit);
        Self { items, more }
    }

    /// The same page of other items.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), more: self.more }
    }
}
