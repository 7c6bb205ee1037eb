//! The calls of content generators: reserving, importing, giving back, and what can be asked about it afterwards.
//!
//! The checks of the metadata are in [`super::metadata`]. Everything is checked before anything is changed, as in a database's
//! transaction. Not there: rpms, policies, volumes, drafts.

use std::collections::BTreeMap;

use openssl::hash::MessageDigest;
use serde_json::Value as Json;

use super::super::digests;
use super::args::Args;
use super::metadata::{Archive, Checked, Importer, key, python};
use super::sessions::Caller;
use super::state::{Build, State, count};
use super::xmlrpc::{HubFault, Value, record};

const BUILDING: i64 = 0;
const COMPLETE: i64 = 1;
const DELETED: i64 = 2;
const FAILED: i64 = 3;
const CANCELED: i64 = 4;

/// Koji's `BUILD_STATES`.
pub(crate) const BUILD_STATES: [&str; 5] = ["BUILDING", "COMPLETE", "DELETED", "FAILED", "CANCELED"];

/// What content generators have made.
#[derive(Debug, Default)]
pub(crate) struct ContentGenerators {
    /// By the build's id.
    pub reservations: BTreeMap<i64, Reservation>,
    /// By the build's id.
    pub imports: BTreeMap<i64, Import>,
    next_token: u64,
}

/// An NVR that is kept for somebody.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reservation {
    pub generator: String,
    pub nvr: String,
    pub token: String,
}

/// What came with a build.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    pub metadata: Json,
    pub archives: Vec<Archive>,
    pub logs: Vec<String>,
}

impl State {
    /// `assert_cg`: the user has to be registered for the content generator.
    pub(crate) fn assert_generator(&self, caller: &Caller, generator: &str) -> Result<(), HubFault> {
        let users = self.options.content_generators.get(generator);
        let users =
            users.ok_or_else(|| HubFault::generic(format!("No such entry in table content_generator: {generator}")))?;
        let user = caller.user.ok_or_else(|| HubFault::new(1002, "Not logged-in"))?;
        match self.user(user) {
            Some(user) if users.contains(&user.name) => Ok(()),
            _ => Err(HubFault::new(1002, format!("Content generator access required ({generator})"))),
        }
    }

    /// `CGInitBuild(cg, data)`.
    pub(crate) fn init_build(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let generator = args.text(0, "cg")?.to_owned();
        self.assert_generator(caller, &generator)?;
        let data = json(args.required(1, "data")?);
        let [name, version, release] = nvr_of(&data)?;
        let nvr = format!("{name}-{version}-{release}");
        let build_id = match self.find_build(&nvr) {
            Some(old) => self.reusable(old)?,
            None => self.add_build(&nvr, BUILDING, None),
        };
        if self.generators.reservations.contains_key(&build_id) {
            return Err(HubFault::generic("Build is already reserved"));
        }
        let owner = caller.user.unwrap_or_default();
        let build = self.build_mut(build_id);
        (build.state, build.owner, build.generator) = (BUILDING, owner, Some(generator.clone()));
        self.generators.next_token += 1;
        let token = format!("{:064x}", 0xfeed_0000_0000 + self.generators.next_token);
        let reservation = Reservation { generator, nvr, token: token.clone() };
        self.generators.reservations.insert(build_id, reservation);
        Ok(record([("build_id", build_id.into()), ("token", token.into())]))
    }

    /// The id of a build that may become another one (`recycle_build`).
    fn reusable(&self, old: &Build) -> Result<i64, HubFault> {
        match (old.state, old.task) {
            (FAILED | CANCELED, _) | (BUILDING, None) => Ok(old.id),
            (BUILDING, Some(task)) => Err(HubFault::generic(format!("Build already in progress (task {task})"))),
            (state, _) => {
                let state = usize::try_from(state).ok().and_then(|state| BUILD_STATES.get(state)).unwrap_or(&"?");
                Err(HubFault::generic(format!("Build already exists (id={}, state={state}): {{…}}", old.id)))
            }
        }
    }

    /// `CGRefundBuild(cg, build_id, token, state)`.
    pub(crate) fn refund_build(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let state = match args.get(3, "state") {
            Value::Nil => FAILED,
            state => state.as_int().unwrap_or(-1),
        };
        if !matches!(state, FAILED | CANCELED) {
            return Err(HubFault::generic("Only FAILED/CANCELED build states are allowed"));
        }
        let generator = args.text(0, "cg")?;
        self.assert_generator(caller, generator)?;
        let id = args.int(1, "build_id")?;
        let build = self.builds.iter().find(|build| build.id == id);
        let build = build.ok_or_else(|| HubFault::generic(format!("No such build: {id}")))?;
        if build.state != BUILDING {
            return Err(HubFault::generic(format!("Build ID {id} is not in BUILDING state")));
        }
        let reservation = self.generators.reservations.get(&id);
        let matches = |held: &&Reservation| args.get(2, "token").as_str() == Some(&held.token);
        if reservation.as_ref().is_none_or(|x| !matches(x)) {
            return Err(HubFault::generic(format!("Token doesn't match build ID {id}")));
        }
        if build.generator.as_deref() != Some(generator) {
            return Err(HubFault::generic(format!("Build ID {id} is not reserved by this CG")));
        }
        self.generators.reservations.remove(&id);
        self.build_mut(id).state = state;
        Ok(Value::Nil)
    }

    /// `cancelBuild(buildID, strict)`, which needs no token.
    pub(crate) fn cancel_build(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let user = caller.user.ok_or_else(|| HubFault::new(1004, "you must be logged in for this operation"))?;
        let wanted = args.required(0, "buildID")?;
        let Some(build) = self.known_build(wanted) else { return Ok(false.into()) };
        if build.owner != user {
            return Err(HubFault::new(1004, "Cannot cancel build, not owner"));
        }
        if build.state != BUILDING {
            return Ok(false.into());
        }
        let id = build.id;
        self.build_mut(id).state = CANCELED;
        self.generators.reservations.remove(&id);
        Ok(true.into())
    }

    /// `CGImport(metadata, directory, token)`.
    pub(crate) fn import_build(&mut self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let folder = args.text(1, "directory")?;
        let metadata = self.metadata(args.required(0, "metadata")?, folder)?;
        let token = args.get(2, "token").as_str();
        let checked = Importer { state: self, caller, metadata: &metadata, folder }.check(token)?;
        let id = self.keep(caller, checked, metadata);
        Ok(self.build_value(id))
    }

    /// The metadata as a struct, as text, or out of an uploaded file.
    fn metadata(&self, given: &Value, folder: &str) -> Result<Json, HubFault> {
        let text = match given {
            Value::Struct(_) => return Ok(json(given)),
            Value::Nil => "metadata.json",
            other => other.as_str().unwrap_or_default(),
        };
        let raw = match text.ends_with(".json") {
            false => text.as_bytes(),
            true => self.uploaded(folder, text).ok_or_else(|| HubFault::generic(format!("No such file: {text}")))?,
        };
        serde_json::from_slice(raw)
            .map_err(|_| HubFault::generic(format!("Invalid json data: '{}'", String::from_utf8_lossy(raw))))
    }

    fn keep(&mut self, caller: &Caller, checked: Checked, metadata: Json) -> i64 {
        let Checked { nvr, build_id, generator, owner, source, extra, task, archives, logs } = checked;
        let id = build_id.unwrap_or_else(|| match self.find_build(&nvr) {
            Some(old) => old.id,
            None => self.add_build(&nvr, COMPLETE, None),
        });
        self.generators.reservations.remove(&id);
        self.generators.imports.insert(id, Import { metadata, archives, logs });
        let owner = owner.or(caller.user).unwrap_or_default();
        let build = self.build_mut(id);
        (build.state, build.owner, build.task) = (COMPLETE, owner, task);
        (build.generator, build.source, build.extra) = (Some(generator), value(&source), value(&extra));
        id
    }

    /// `getNextRelease(build_info, incr)`.
    pub(crate) fn next_release(&self, args: &Args) -> Result<Value, HubFault> {
        let info = json(args.required(0, "build_info")?);
        let incr = args.get(1, "incr").as_int().unwrap_or(1);
        let (name, version) = (key(&info, "name")?, key(&info, "version")?);
        let counts = |build: &&Build| {
            name == build.name.as_str()
                && version == build.version.as_str()
                && matches!(build.state, COMPLETE | DELETED | BUILDING)
        };
        let Some(newest) = self.builds.iter().filter(counts).max_by_key(|build| build.id) else {
            return Ok(incr.to_string().into());
        };
        let mut parts: Vec<String> = newest.release.split('.').map(str::to_owned).collect();
        let counted = match parts.len() {
            1 | 2 => parts.first_mut(),
            3 => parts.last_mut(),
            _ => None,
        };
        let number = counted.as_ref().and_then(|part| part.parse::<i64>().ok());
        let (Some(part), Some(number)) = (counted, number) else {
            return Err(HubFault::new(1005, format!("Unable to increment release value: {}", newest.release)));
        };
        *part = (number + incr).to_string();
        Ok(parts.join(".").into())
    }

    /// `listArchives(buildID, …)`; of its filters only the build's id and the type are looked at.
    pub(crate) fn list_archives(&self, args: &Args) -> Value {
        let (build, wanted) = (args.get(0, "buildID").as_int(), args.get(4, "type").as_str());
        let imports = self.generators.imports.iter().filter(|(id, _)| build.is_none_or(|build| **id == build));
        let archives = imports.flat_map(|(id, import)| import.archives.iter().map(move |archive| (*id, archive)));
        let listed = archives.filter(|(_, archive)| wanted.is_none_or(|wanted| archive.btype == wanted));
        Value::Array(
            listed.enumerate().map(|(at, (build, archive))| archive.listed(count(at) + 1, build, wanted)).collect(),
        )
    }

    /// `listBTypes()`.
    pub(crate) fn types_of_builds(&self) -> Value {
        let own = ["rpm", "maven", "win", "image"].into_iter();
        let all = own.chain(self.options.types.iter().map(String::as_str)).enumerate();
        Value::Array(all.map(|(at, name)| record([("id", (count(at) + 1).into()), ("name", name.into())])).collect())
    }

    pub(crate) fn find_build(&self, nvr: &str) -> Option<&Build> {
        self.builds.iter().find(|build| build.nvr() == nvr)
    }

    fn build_mut(&mut self, id: i64) -> &mut Build {
        self.builds.iter_mut().find(|build| build.id == id).expect("a build that was found")
    }
}

impl Archive {
    fn listed(&self, id: i64, build: i64, wanted: Option<&str>) -> Value {
        let (name, description, extensions) = self.archive_type;
        // Koji's `CHECKSUM_TYPES`.
        let checksum_type = ["md5", "sha1", "sha256"].iter().position(|kind| *kind == self.checksum_type);
        let mut members = vec![
            ("btype", self.btype.as_str().into()),
            ("btype_id", 4.into()),
            ("build_id", build.into()),
            ("buildroot_id", 1.into()),
            ("checksum", self.checksum.as_str().into()),
            ("checksum_type", checksum_type.map(count).into()),
            ("compression_type", if matches!(name, "tar" | "zip") { name.into() } else { Value::Nil }),
            ("extra", value(&self.extra)),
            ("filename", self.filename.as_str().into()),
            ("id", id.into()),
            ("metadata_only", self.metadata_only.into()),
            ("size", self.size.into()),
            ("type_description", description.into()),
            ("type_extensions", extensions.into()),
            ("type_id", 4.into()),
            ("type_name", name.into()),
        ];
        if wanted == Some("image") {
            members.insert(0, ("arch", value(&self.arch)));
        }
        Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// Name, version and release out of a struct, as `koji.check_NVR` wants them.
pub(crate) fn nvr_of(data: &Json) -> Result<[String; 3], HubFault> {
    let mut parts = Vec::new();
    for name in ["name", "version", "release"] {
        let part = key(data, name)?;
        let part = part.as_str().ok_or_else(|| HubFault::generic(format!("Invalid {name}: {}", python(part))))?;
        if name != "name" && part.contains('-') {
            return Err(HubFault::generic(format!("The \"-\" character not allowed in {name} field")));
        }
        parts.push(part.to_owned());
    }
    Ok(parts.try_into().expect("three of them"))
}

/// Koji's `get_verify_class`, applied; nothing for an empty name.
pub(crate) fn digest(verify: &str, bytes: &[u8]) -> Result<Option<String>, HubFault> {
    Ok(Some(match verify {
        "" => return Ok(None),
        "md5" => digests::digest(MessageDigest::md5(), bytes),
        "sha256" => digests::digest(MessageDigest::sha256(), bytes),
        "adler32" => {
            // Written out, so that the product's library is checked by something else.
            let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
                let a = (a + u32::from(*byte)) % 65521;
                (a, (b + a) % 65521)
            });
            format!("{:08x}", (b << 16) | a)
        }
        other => return Err(HubFault::generic(format!("Unsupported verify type: {other}"))),
    }))
}

/// XML-RPC to JSON.
pub(crate) fn json(value: &Value) -> Json {
    match value {
        Value::Nil | Value::Bytes(_) => Json::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Double(number) => (*number).into(),
        Value::String(text) | Value::DateTime(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Struct(members) => members.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
    }
}

/// JSON to XML-RPC.
pub(crate) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => (*truth).into(),
        Json::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap_or(0.0).into(), Value::Int),
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::Array(items.iter().map(value).collect()),
        Json::Object(members) => {
            Value::Struct(members.iter().map(|(name, json)| (name.clone(), value(json))).collect())
        }
    }
}
