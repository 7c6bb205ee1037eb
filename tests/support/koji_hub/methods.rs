//! The hub's calls but those about tasks: dispatch, multiCall, targets, tags, packages, builds, users and hosts.

use super::args::Args;
use super::misbehaviour::Fault;
use super::sessions::Caller;
use super::state::{Build, State, Tag, calls_within, count};
use super::xmlrpc::{Call, HubFault, Value, record, texts};

/// What `system.listMethods` tells.
pub(crate) const METHODS: [&str; 40] = [
    "_listapi",
    "system.listMethods",
    "CGImport",
    "CGInitBuild",
    "CGRefundBuild",
    "buildContainer",
    "cancelBuild",
    "cancelTask",
    "checkUpload",
    "downloadTaskOutput",
    "echo",
    "getAPIVersion",
    "getBuild",
    "getBuildTarget",
    "getBuildTargets",
    "getHost",
    "getKojiVersion",
    "getLoggedInUser",
    "getNextRelease",
    "getPackageConfig",
    "getRepo",
    "getSessionInfo",
    "getTag",
    "getTaskChildren",
    "getTaskDescendents",
    "getTaskInfo",
    "getTaskResult",
    "getUser",
    "hello",
    "listArchives",
    "listBTypes",
    "listTaskOutput",
    "listTasks",
    "login",
    "logout",
    "multiCall",
    "sslLogin",
    "system.multicall",
    "tagBuild",
    "taskFinished",
];

/// Calls that change something and so use up the session's call number.
const WRITERS: [&str; 7] =
    ["buildContainer", "cancelTask", "CGInitBuild", "CGImport", "CGRefundBuild", "cancelBuild", "tagBuild"];

impl State {
    /// Carries a request out, unless some calls in it are to meet a fault.
    pub(crate) fn run(&mut self, caller: &Caller, call: &Call, fault: Option<&Fault>) -> Result<Value, HubFault> {
        let (method, params) = call;
        if !matches!(method.as_str(), "multiCall" | "system.multicall") {
            return self.run_one(caller, method, params);
        }
        let entries = calls_within(call);
        let mut run = |method: &str, params: &[Value]| match fault {
            Some(Fault::RefuseEntries(refused, code, text)) if *refused == method => Err(HubFault::new(*code, *text)),
            _ => self.run_one(caller, method, params),
        };
        let answers = entries.iter().map(|(method, params)| match run(method, params) {
            Ok(value) => Value::Array(vec![value]),
            Err(fault) => record([
                ("faultCode", fault.code.into()),
                ("faultString", fault.text.as_str().into()),
                ("traceback", texts(["Traceback (most recent call last):\n".to_owned(), format!("{}\n", fault.text)])),
            ]),
        });
        let answers: Vec<Value> = answers.collect();
        // Each entry is a savepoint of the database, which makes the hub commit, whatever was called.
        self.commit(caller);
        Ok(Value::Array(answers))
    }

    fn run_one(&mut self, caller: &Caller, method: &str, params: &[Value]) -> Result<Value, HubFault> {
        let value = self.dispatch(caller, method, &Args::new(method, params))?;
        if WRITERS.contains(&method) {
            self.commit(caller);
        }
        Ok(value)
    }

    fn dispatch(&mut self, caller: &Caller, method: &str, args: &Args) -> Result<Value, HubFault> {
        if self.hidden_methods.contains(method) {
            return Err(HubFault::generic(format!("Invalid method: {method}")));
        }
        self.run_tagging();
        match method {
            "login" => self.login(caller, args),
            "sslLogin" => self.ssl_login(caller, args),
            "logout" => self.logout(caller),
            "getSessionInfo" => Ok(self.session_info(caller)),
            "getLoggedInUser" => Ok(self.logged_in_user(caller)),
            "getAPIVersion" => Ok(Value::Int(1)),
            "getKojiVersion" => Ok("1.35.3".into()),
            "hello" => Ok("Hello World".into()),
            "echo" => args.only(&[]).map(|()| Value::Array(args.positional().to_vec())),
            "system.listMethods" => Ok(texts(self.offered())),
            "_listapi" => {
                let entry = |name| record([("name", Value::from(name)), ("doc", Value::Nil), ("argspec", Value::Nil)]);
                Ok(Value::Array(self.offered().map(entry).collect()))
            }
            "getBuildTarget" => self.get_build_target(args),
            "getRepo" => self.get_repo(args),
            "getBuildTargets" => {
                let targets = self.targets.iter().map(|target| self.target_value(&target.name));
                Ok(Value::Array(targets.collect()))
            }
            "getTag" => self.get_tag(args),
            "getPackageConfig" => self.get_package_config(args),
            "getBuild" => self.get_build(args),
            "getHost" => self.get_host(args),
            "getUser" => self.get_user(caller, args),
            "checkUpload" => self.check_upload(args),
            "CGInitBuild" => self.init_build(caller, args),
            "CGImport" => self.import_build(caller, args),
            "CGRefundBuild" => self.refund_build(caller, args),
            "cancelBuild" => self.cancel_build(caller, args),
            "getNextRelease" => self.next_release(args),
            "listArchives" => Ok(self.list_archives(args)),
            "listBTypes" => Ok(self.types_of_builds()),
            "tagBuild" => self.tag_build(caller, args),
            _ => self.dispatch_tasks(caller, method, args),
        }
    }

    fn offered(&self) -> impl Iterator<Item = &'static str> {
        METHODS.into_iter().filter(|method| !self.hidden_methods.contains(*method))
    }

    fn get_build_target(&self, args: &Args) -> Result<Value, HubFault> {
        let wanted = args.required(0, "info")?;
        let found = self.targets.iter().find(|target| is(wanted, target.id, &target.name));
        match found {
            Some(target) => Ok(self.target_value(&target.name)),
            None if args.get(2, "strict").is_true() => {
                Err(HubFault::generic(format!("No such build target: {}", wanted.repr())))
            }
            None => Ok(Value::Nil),
        }
    }

    /// `RootExports.getRepo`: the newest repository of a tag that is ready.
    fn get_repo(&self, args: &Args) -> Result<Value, HubFault> {
        let wanted = args.required(0, "tag")?;
        let tag =
            self.find_tag(wanted).ok_or_else(|| HubFault::generic(format!("No such tagInfo: {}", wanted.repr())))?;
        let repo = self.repos.get(&tag.name);
        Ok(repo.map_or(Value::Nil, |id| {
            record([
                ("id", (*id).into()),
                ("state", 1.into()),
                ("tag_id", tag.id.into()),
                ("tag_name", tag.name.as_str().into()),
            ])
        }))
    }

    fn target_value(&self, name: &str) -> Value {
        let Some(target) = self.targets.iter().find(|target| target.name == name) else { return Value::Nil };
        let id = |name: &str| self.tags.iter().find(|tag| tag.name == name).map(|tag| tag.id);
        record([
            ("build_tag", id(&target.build_tag).into()),
            ("build_tag_name", target.build_tag.as_str().into()),
            ("dest_tag", id(&target.dest_tag).into()),
            ("dest_tag_name", target.dest_tag.as_str().into()),
            ("id", target.id.into()),
            ("name", target.name.as_str().into()),
        ])
    }

    pub(crate) fn find_tag(&self, wanted: &Value) -> Option<&Tag> {
        self.tags.iter().find(|tag| is(wanted, tag.id, &tag.name))
    }

    fn get_tag(&self, args: &Args) -> Result<Value, HubFault> {
        let wanted = args.required(0, "tagInfo")?;
        let Some(tag) = self.find_tag(wanted) else {
            let strict = args.get(1, "strict").is_true();
            let fault = || HubFault::generic(format!("No such tagInfo: {}", wanted.repr()));
            return if strict { Err(fault()) } else { Ok(Value::Nil) };
        };
        Ok(record([
            ("arches", tag.arches.as_str().into()),
            ("id", tag.id.into()),
            ("locked", tag.locked.into()),
            ("maven_include_all", false.into()),
            ("maven_support", false.into()),
            ("name", tag.name.as_str().into()),
            ("perm", Value::Nil),
            ("perm_id", Value::Nil),
            ("extra", Value::Struct(Vec::new())),
        ]))
    }

    fn get_package_config(&self, args: &Args) -> Result<Value, HubFault> {
        let (tag, package) = (args.required(0, "tag")?, args.required(1, "pkg")?);
        let Some(tag) = self.find_tag(tag) else { return Ok(Value::Nil) };
        let Some((name, listed)) = tag.packages.iter().find(|(name, listed)| is(package, listed.id, name)) else {
            return Ok(Value::Nil);
        };
        Ok(record([
            ("blocked", listed.blocked.into()),
            ("extra_arches", Value::Nil),
            ("owner_id", 1.into()),
            ("owner_name", "packager".into()),
            ("package_id", listed.id.into()),
            ("package_name", name.as_str().into()),
            ("tag_id", tag.id.into()),
            ("tag_name", tag.name.as_str().into()),
        ]))
    }

    fn get_build(&self, args: &Args) -> Result<Value, HubFault> {
        let wanted = args.required(0, "buildInfo")?;
        let nvr = match wanted {
            Value::Struct(_) => {
                let part = |name: &str| wanted.get(name).and_then(Value::as_str);
                let (Some(name), Some(version), Some(release)) = (part("name"), part("version"), part("release"))
                else {
                    return Err(HubFault::generic("did not provide name, version, and release"));
                };
                Value::from(format!("{name}-{version}-{release}"))
            }
            other => other.clone(),
        };
        let Some(build) = self.known_build(&nvr) else {
            let strict = args.get(1, "strict").is_true();
            let fault = || HubFault::generic(format!("No such build: {}", wanted.repr()));
            return if strict { Err(fault()) } else { Ok(Value::Nil) };
        };
        Ok(self.build_value(build.id))
    }

    /// The build of that id or NVR.
    pub(crate) fn known_build(&self, wanted: &Value) -> Option<&Build> {
        self.builds.iter().find(|build| is(wanted, build.id, &build.nvr()))
    }

    /// What `getBuild` tells of a build; nil for one that there is not.
    pub(crate) fn build_value(&self, id: i64) -> Value {
        let Some(build) = self.builds.iter().find(|build| build.id == id) else { return Value::Nil };
        let generators: Vec<&String> = self.options.content_generators.keys().collect();
        let generator = build.generator.as_ref();
        let generator_id = generator.and_then(|name| generators.iter().position(|known| *known == name));
        record([
            ("build_id", build.id.into()),
            ("cg_id", generator_id.map(|at| count(at) + 1).into()),
            ("cg_name", generator.map(String::as_str).into()),
            ("draft", false.into()),
            ("epoch", Value::Nil),
            ("extra", build.extra.clone()),
            ("id", build.id.into()),
            ("name", build.name.as_str().into()),
            ("nvr", build.nvr().into()),
            ("owner_id", build.owner.into()),
            ("owner_name", self.user(build.owner).map(|user| user.name.as_str()).into()),
            ("package_name", build.name.as_str().into()),
            ("release", build.release.as_str().into()),
            ("source", build.source.clone()),
            ("state", build.state.into()),
            ("task_id", build.task.into()),
            ("version", build.version.as_str().into()),
            ("volume_id", 0.into()),
            ("volume_name", "DEFAULT".into()),
        ])
    }

    fn get_host(&self, args: &Args) -> Result<Value, HubFault> {
        let wanted = args.required(0, "hostInfo")?;
        let found = self.hosts.iter().enumerate().find(|(at, name)| is(wanted, count(*at) + 1, name));
        let Some((at, name)) = found else { return Ok(Value::Nil) };
        Ok(record([
            ("arches", "x86_64 noarch".into()),
            ("capacity", 2.0.into()),
            ("comment", Value::Nil),
            ("description", Value::Nil),
            ("enabled", true.into()),
            ("id", (count(at) + 1).into()),
            ("name", name.as_str().into()),
            ("ready", true.into()),
            ("task_load", 0.0.into()),
            ("user_id", (100 + count(at)).into()),
        ]))
    }

    fn get_user(&self, caller: &Caller, args: &Args) -> Result<Value, HubFault> {
        let wanted = args.get(0, "userInfo");
        let own = caller.user.filter(|_| *wanted == Value::Nil);
        let found = self.users.iter().find(|user| own == Some(user.id) || is(wanted, user.id, &user.name));
        let Some(user) = found else { return Ok(Value::Nil) };
        Ok(record([
            ("id", user.id.into()),
            ("name", user.name.as_str().into()),
            ("status", 0.into()),
            ("usertype", 0.into()),
            ("krb_principals", Value::Array(Vec::new())),
        ]))
    }
}

/// Whether a call means this thing, by id or by name.
fn is(wanted: &Value, id: i64, name: &str) -> bool {
    wanted.as_int() == Some(id) || wanted.as_str() == Some(name)
}
