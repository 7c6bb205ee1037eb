//! What Koji checks of a content generator's metadata before it imports anything (`kojihub.CG_Importer`), in Koji's order and
//! with Koji's words. A key that is missing is Python's `KeyError`, which reaches clients as fault 1.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::content_generator::{digest, nvr_of};
use super::sessions::Caller;
use super::state::State;
use super::xmlrpc::HubFault;

/// The types that may stand at the top of `extra`.
const LEGACY_TYPES: [&str; 3] = ["maven", "win", "image"];

/// Koji's archive types, as far as container builds put them out: name, description and extensions.
const ARCHIVE_TYPES: [ArchiveType; 6] = [
    ("zip", "Zip file", "zip"),
    ("tar", "Tar file", "tar tar.gz tar.bz2 tar.xz tgz"),
    ("xml", "XML file", "xml"),
    ("txt", "Text file", "txt"),
    ("json", "JSON data", "json"),
    ("yaml", "YAML Ain't Markup Language", "yaml yml"),
];

type ArchiveType = (&'static str, &'static str, &'static str);

/// An import under way.
pub(crate) struct Importer<'a> {
    pub state: &'a State,
    pub caller: &'a Caller,
    pub metadata: &'a Json,
    pub folder: &'a str,
}

/// An import that may happen.
pub(crate) struct Checked {
    pub nvr: String,
    /// The build that was reserved.
    pub build_id: Option<i64>,
    pub generator: String,
    pub owner: Option<i64>,
    pub source: Json,
    pub extra: Json,
    pub task: Option<i64>,
    pub archives: Vec<Archive>,
    pub logs: Vec<String>,
}

/// A file of a build that is neither log nor rpm.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub btype: String,
    pub archive_type: ArchiveType,
    pub filename: String,
    pub size: i64,
    pub checksum: String,
    pub checksum_type: String,
    pub metadata_only: bool,
    pub arch: Json,
    pub extra: Json,
}

impl Importer<'_> {
    pub(crate) fn check(&self, token: Option<&str>) -> Result<Checked, HubFault> {
        let version = key(self.metadata, "metadata_version")?;
        if version != 0 {
            return Err(HubFault::generic(format!("No such metadata version: {}", python(version))));
        }
        let generator = self.generator()?;
        let build = key(self.metadata, "build")?;
        let build_id = self.reservation(build, &generator, token)?;
        let [name, version, release] = nvr_of(build)?;
        let mut extra = key(build, "extra")?.clone();
        let source = key(build, "source")?.clone();
        number(build, "start_time")?;
        number(build, "end_time")?;
        let task = task_id(build)?;
        let owner = self.owner(build)?;
        let typeinfo = self.types(&extra)?;
        let types = typeinfo.keys().cloned().collect();
        // The hub keeps all types in the new place too.
        extra["typeinfo"] = Json::Object(typeinfo);
        self.build_roots()?;
        let (archives, logs) = self.outputs(&types)?;
        let nvr = format!("{name}-{version}-{release}");
        Ok(Checked { nvr, build_id, generator, owner, source, extra, task, archives, logs })
    }

    /// The one content generator of all build roots (`assert_cg_access`).
    fn generator(&self) -> Result<String, HubFault> {
        let mut used: Option<String> = None;
        for root in list(self.metadata, "buildroots")? {
            let name = text(key(root, "content_generator")?, "name")?;
            if !self.state.options.content_generators.contains_key(name) {
                return Err(HubFault::generic(format!("No such entry in table content_generator: {name}")));
            }
            if used.get_or_insert_with(|| name.to_owned()) != name {
                return Err(HubFault::generic("Koji now support only one content-generator per import"));
            }
        }
        let used = used.ok_or_else(|| HubFault::generic("No such entry in table content_generator: None"))?;
        self.state.assert_generator(self.caller, &used)?;
        Ok(used)
    }

    /// The first part of `prep_build`: a reservation and the metadata have to be about the same build, and without one there
    /// must be no build yet.
    fn reservation(&self, build: &Json, generator: &str, token: Option<&str>) -> Result<Option<i64>, HubFault> {
        let Some(id) = build.get("build_id").and_then(Json::as_i64).filter(|id| *id != 0) else {
            if token.is_some() {
                return Err(HubFault::generic("Reservation token given, but no build_id in metadata"));
            }
            return self.must_be_new(build).map(|()| None);
        };
        let refuse = |text: String| Err(HubFault::generic(text));
        let Some(reserved) = self.state.builds.iter().find(|build| build.id == id) else {
            return refuse(format!("No such build: {id}"));
        };
        let task = task_id(build)?;
        let held = self.state.generators.reservations.get(&id);
        if held.is_none_or(|held| token != Some(&held.token)) {
            return refuse(format!("Token doesn't match build ID {id}"));
        }
        if reserved.generator.as_deref() != Some(generator) {
            return refuse(format!("Build ID {id} is not reserved by this CG"));
        }
        if reserved.task.is_some() && reserved.task != task {
            return refuse(format!("Build is owned by task {}", reserved.task.unwrap_or_default()));
        }
        if reserved.state != 0 {
            return refuse(format!("Build ID {id} is not in BUILDING state"));
        }
        for (name, kept) in [("name", &reserved.name), ("version", &reserved.version), ("release", &reserved.release)] {
            if key(build, name)? != kept.as_str() {
                return refuse(format!("Build ({id}) NVR is different"));
            }
        }
        if build.get("epoch").is_some_and(|epoch| !epoch.is_null()) {
            return refuse(format!("Build ({id}) epoch is different"));
        }
        Ok(Some(id))
    }

    fn must_be_new(&self, build: &Json) -> Result<(), HubFault> {
        let part = |name: &str| build.get(name).and_then(Json::as_str);
        let (Some(name), Some(version), Some(release)) = (part("name"), part("version"), part("release")) else {
            return Err(HubFault::generic("did not provide name, version, and release"));
        };
        match self.state.find_build(&format!("{name}-{version}-{release}")) {
            Some(old) if !matches!(old.state, 3 | 4) => {
                Err(HubFault::generic(format!("Build already exists: {} (id={})", old.nvr(), old.id)))
            }
            _ => Ok(()),
        }
    }

    fn owner(&self, build: &Json) -> Result<Option<i64>, HubFault> {
        let name = match build.get("owner") {
            None | Some(Json::Null) => return Ok(None),
            Some(Json::String(name)) => name,
            Some(other) => {
                let other = python(other);
                return Err(HubFault::generic(format!("Invalid owner format (expected username): {other}")));
            }
        };
        let user = self.state.users.iter().find(|user| user.name == *name);
        user.map(|user| Some(user.id)).ok_or_else(|| HubFault::generic(format!("No such user: '{name}'")))
    }

    /// The types of the build; the hub has to know each.
    fn types(&self, extra: &Json) -> Result<Map<String, Json>, HubFault> {
        let mut types = extra.get("typeinfo").and_then(Json::as_object).cloned().unwrap_or_default();
        for legacy in LEGACY_TYPES {
            let Some(info) = extra.get(legacy) else { continue };
            if types.insert(legacy.to_owned(), info.clone()).is_some() {
                return Err(HubFault::generic(format!("Duplicate typeinfo for '{legacy}'")));
            }
        }
        let known = |name: &str| name == "rpm" || LEGACY_TYPES.contains(&name) || self.state.options.has_type(name);
        match types.keys().find(|name| !known(name)) {
            Some(unknown) => Err(HubFault::generic(format!("No such entry in table btype: {unknown}"))),
            None => Ok(types),
        }
    }

    /// Every build root is used and there once (`prep_brs`).
    fn build_roots(&self) -> Result<(), HubFault> {
        let mut used = Vec::new();
        for output in list(self.metadata, "output")? {
            used.push(key(output, "buildroot_id")?);
        }
        let mut seen = Vec::new();
        for root in list(self.metadata, "buildroots")? {
            let id = key(root, "id")?;
            if !used.contains(&id) {
                return Err(HubFault::generic(format!("Buildroot id not used in output: {}", python(id))));
            }
            if seen.contains(&id) {
                return Err(HubFault::generic(format!("Duplicate buildroot id in metadata: {}", python(id))));
            }
            seen.push(id);
            build_root(root)?;
        }
        Ok(())
    }

    fn outputs(&self, types: &BTreeSet<String>) -> Result<(Vec<Archive>, Vec<String>), HubFault> {
        let (mut archives, mut logs) = (Vec::new(), Vec::new());
        for output in list(self.metadata, "output")? {
            self.uploaded(output)?;
            let root = key(output, "buildroot_id")?;
            let known = list(self.metadata, "buildroots")?.iter().any(|known| known.get("id") == Some(root));
            if !known {
                return Err(HubFault::generic(format!("Missing buildroot metadata for id {}", python(root))));
            }
            let name = text(output, "filename")?.to_owned();
            match text(output, "type")? {
                "rpm" => return Err(HubFault::generic("this hub imports no rpms")),
                "log" if logs.contains(&name) => {
                    return Err(HubFault::generic(format!("Error importing build log. {name} already exists.")));
                }
                "log" => logs.push(name),
                _ => archives.push(archive(output, types)?),
            }
        }
        Ok((archives, logs))
    }

    /// Compares size and checksum with what was uploaded.
    fn uploaded(&self, output: &Json) -> Result<(), HubFault> {
        let subfolder = output.get("relpath").and_then(Json::as_str).unwrap_or(".");
        let (name, folder) = (text(output, "filename")?, format!("{}/{subfolder}", self.folder));
        let Some(bytes) = self.state.uploaded(&folder, name) else {
            let path = format!("/mnt/koji/work/{folder}/{name}");
            let text = format!("<class 'FileNotFoundError'>: [Errno 2] No such file or directory: '{path}'");
            return Err(HubFault::new(1, text));
        };
        let size = key(output, "filesize")?;
        if size.as_u64() != Some(bytes.len() as u64) {
            let (actual, size) = (bytes.len(), python(size));
            let text = format!("File size {actual} for {name} (expected {size}) doesn't match. Corrupted upload?");
            return Err(HubFault::generic(text));
        }
        let (kind, expected) = (text(output, "checksum_type")?, text(output, "checksum")?);
        let actual = digest(kind, bytes)?.unwrap_or_default();
        if actual != expected {
            return Err(HubFault::generic(format!("File checksum mismatch for {name}: {expected} != {actual}")));
        }
        Ok(())
    }
}

fn build_root(root: &Json) -> Result<(), HubFault> {
    key(key(root, "content_generator")?, "version")?;
    for (part, names) in [("container", ["type", "arch"]), ("host", ["os", "arch"])] {
        for name in names {
            key(key(root, part)?, name)?;
        }
    }
    components(root)?;
    for tool in list(root, "tools")? {
        key(tool, "name")?;
        key(tool, "version")?;
    }
    Ok(())
}

/// Components that the hub does not know are left out with a line in its log; this hub knows none.
fn components(holder: &Json) -> Result<(), HubFault> {
    for component in list(holder, "components")? {
        match text(component, "type")? {
            "rpm" if component.get("location").is_some() => {
                return Err(HubFault::generic("External rpms not allowed"));
            }
            "rpm" if component.get("id").is_some() => {
                return Err(HubFault::generic("Unexpected 'id' field in component"));
            }
            "rpm" => {
                for name in ["name", "version", "release", "arch"] {
                    key(component, name)?;
                }
            }
            "file" => {
                key(component, "filename")?;
                key(component, "filesize")?;
            }
            "kojifile" => return Err(HubFault::generic("No matching archive found")),
            other => return Err(HubFault::generic(format!("No such component type: {other}"))),
        }
    }
    Ok(())
}

/// An archive has one type, which its build has too, and an extension that is known (`prep_archive`, `get_archive_type`).
fn archive(output: &Json, types: &BTreeSet<String>) -> Result<Archive, HubFault> {
    let filename = text(output, "filename")?.to_owned();
    let extra = output.get("extra").cloned().unwrap_or_default();
    let (btype, info) = output_type(output, &extra, &filename)?;
    if !types.contains(&btype) {
        return Err(HubFault::generic(format!("Output type {btype} not listed in build types")));
    }
    if output.get("components").is_some() {
        components(output)?;
    }
    let archive_type = archive_type(&filename);
    let archive_type =
        archive_type.ok_or_else(|| HubFault::generic(format!("unsupported file extension: {filename}")))?;
    let arch = if btype == "image" { key(&info, "arch")?.clone() } else { Json::Null };
    Ok(Archive {
        btype,
        archive_type,
        filename,
        size: key(output, "filesize")?.as_i64().unwrap_or_default(),
        checksum: text(output, "checksum")?.to_owned(),
        checksum_type: text(output, "checksum_type")?.to_owned(),
        metadata_only: output.get("metadata_only").and_then(Json::as_bool).unwrap_or(false),
        arch,
        extra,
    })
}

fn output_type(output: &Json, extra: &Json, filename: &str) -> Result<(String, Json), HubFault> {
    let mut found: Option<(String, Json)> = None;
    let multiple = || HubFault::generic(format!("Output file has multiple types: {filename}"));
    for legacy in LEGACY_TYPES {
        let Some(info) = extra.get(legacy) else { continue };
        if found.replace((legacy.to_owned(), info.clone())).is_some() {
            return Err(multiple());
        }
        if output.get("subdir").is_some() {
            return Err(HubFault::generic("subdir field not allowed for legacy btypes"));
        }
    }
    for (name, info) in extra.get("typeinfo").and_then(Json::as_object).into_iter().flatten() {
        match found.replace((name.clone(), info.clone())) {
            None => {}
            Some((other, _)) if other == *name => {
                return Err(HubFault::generic(format!("Duplicate typeinfo for: '{name}'")));
            }
            Some(_) => return Err(multiple()),
        }
    }
    found.ok_or_else(|| HubFault::generic(format!("No typeinfo for: {filename}")))
}

/// By the longest extension that is known.
fn archive_type(filename: &str) -> Option<ArchiveType> {
    let lower = filename.to_lowercase();
    let parts: Vec<&str> = lower.split('.').collect();
    (0..parts.len()).find_map(|start| {
        let wanted = parts[start..].join(".");
        ARCHIVE_TYPES.into_iter().find(|(_, _, extensions)| extensions.split(' ').any(|known| known == wanted))
    })
}

fn task_id(build: &Json) -> Result<Option<i64>, HubFault> {
    let task = build.get("task_id").and_then(Json::as_i64);
    let container = build.get("extra").and_then(|extra| extra.get("container_koji_task_id")).and_then(Json::as_i64);
    match (task, container) {
        (Some(task), Some(other)) if task != other => {
            let text = format!("CG provided non-matching task_id {task} and container_koji_task_id {other}");
            Err(HubFault::generic(text))
        }
        (task, container) => Ok(container.or(task)),
    }
}

/// Python's `holder[name]`.
pub(crate) fn key<'a>(holder: &'a Json, name: &str) -> Result<&'a Json, HubFault> {
    holder.get(name).ok_or_else(|| HubFault::new(1, format!("<class 'KeyError'>: '{name}'")))
}

fn list<'a>(holder: &'a Json, name: &str) -> Result<&'a [Json], HubFault> {
    let value = key(holder, name)?;
    let items = value.as_array().map(Vec::as_slice);
    items.ok_or_else(|| HubFault::new(1, format!("<class 'TypeError'>: '{}' is no list: {}", name, python(value))))
}

fn text<'a>(holder: &'a Json, name: &str) -> Result<&'a str, HubFault> {
    let value = key(holder, name)?;
    value
        .as_str()
        .ok_or_else(|| HubFault::new(1, format!("<class 'TypeError'>: '{name}' is no text: {}", python(value))))
}

/// Python's `float(holder[name])`.
fn number(holder: &Json, name: &str) -> Result<(), HubFault> {
    let value = key(holder, name)?;
    let fits = value.is_number() || value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok());
    let text = || format!("<class 'ValueError'>: could not convert string to float: {}", python(value));
    if fits { Ok(()) } else { Err(HubFault::new(1, text())) }
}

/// Python's `repr`, of what stands in messages.
pub(crate) fn python(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}
