//! What only some builders take from the command line, handed to them unread; and what they keep while the command lasts.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use url::Url;

use crate::address::Address;
use crate::event::BuilderName;

/// Each builder's own options, by their type. The command line puts them in ([`crate::cli`]), the builder takes them out; whoever is
/// in between knows neither.
#[derive(Default)]
pub struct OwnOptions {
    values: HashMap<TypeId, Box<dyn Any>>,
    given: Vec<(BuilderName, &'static str)>,
    kept: RefCell<HashMap<TypeId, Rc<dyn Any>>>,
}

impl OwnOptions {
    /// Puts a builder's options in, with the name of the first one that was given, if any was.
    #[must_use]
    pub fn with<T: Any>(mut self, builder: BuilderName, options: T, given: Option<&'static str>) -> OwnOptions {
        self.values.insert(TypeId::of::<T>(), Box::new(options));
        self.given.extend(given.map(|option| (builder, option)));
        self
    }

    /// A builder's options; their default where the sub-command takes none.
    pub fn get<T: Any + Clone + Default>(&self) -> T {
        let value = self.values.get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref::<T>());
        value.cloned().unwrap_or_default()
    }

    /// What a builder keeps for as long as the command lasts, such as files that it has read. It has no other place: there is one value of
    /// each builder, for ever.
    pub fn kept<T: Any + Default>(&self) -> Rc<T> {
        let mut kept = self.kept.borrow_mut();
        let value = kept.entry(TypeId::of::<T>()).or_insert_with(|| Rc::new(T::default()));
        Rc::clone(value).downcast().unwrap_or_default()
    }

    /// An option that was given and is another builder's: whose, and its name.
    pub fn foreign(&self, builder: &BuilderName) -> Option<(&BuilderName, &'static str)> {
        self.given.iter().find(|(owner, _)| owner != builder).map(|(owner, option)| (owner, *option))
    }

    /// Whether an option of a builder was given.
    pub fn names(&self, builder: &BuilderName) -> bool {
        self.given.iter().any(|(owner, _)| owner == builder)
    }
}

/// The address of a page about a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page(pub Address);

impl Page {
    /// Whether the page is one of a site: the same host and port, and a path below the site's. Whether it is `http` or `https` does not
    /// matter, nor does a user in it.
    pub fn is_of(&self, site: &Url) -> bool {
        let port = |url: &Url| url.port_or_known_default().filter(|port| ![80, 443].contains(port));
        let below = site.path().trim_end_matches('/');
        let page = self.0.url();
        let path = page.path();
        let rest = path.strip_prefix(below);
        page.host_str().map(str::to_ascii_lowercase) == site.host_str().map(str::to_ascii_lowercase)
            && port(page) == port(site)
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn options_come_out_as_they_went_in() {
        let own = OwnOptions::default().with(BuilderName::of("a"), 5_u8, Some("--five"));
        assert_eq!((own.get::<u8>(), own.get::<u16>()), (5, 0));
        assert_eq!(own.foreign(&BuilderName::of("a")), None);
        assert_eq!(own.foreign(&BuilderName::of("b")), Some((&BuilderName::of("a"), "--five")));
        assert!(own.names(&BuilderName::of("a")));
    }

    #[test]
    fn pages_are_below_their_site() {
        let site: Url = "https://koji.example.org/koji".parse().unwrap();
        for (page, is_there) in [
            ("https://koji.example.org/koji/taskinfo?taskID=1", true),
            ("http://koji.example.org/koji/taskinfo?taskID=1", true),
            ("https://KOJI.example.org/koji", true),
            ("https://koji.example.org/kojihub", false),
            ("https://koji.example.org:8443/koji/taskinfo?taskID=1", false),
            ("https://koji.example.org.evil.test/koji/taskinfo", false),
            ("https://koji.example.org@evil.test/koji/taskinfo", false),
            ("https://other.example.org/koji/taskinfo", false),
        ] {
            assert_eq!(Page(page.parse().unwrap()).is_of(&site), is_there, "{page}");
        }
    }
}
