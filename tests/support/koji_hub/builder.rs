//! What builders do with tasks: by hand, task by task, or by a script that takes every container build.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::Shared;
use super::args::time_text;
use super::state::{Task, TaskState, now};
use super::xmlrpc::{HubFault, Value, record, texts};

/// A task, from the builder's side.
#[derive(Clone)]
pub(crate) struct TaskHandle {
    pub(super) shared: Arc<Shared>,
    pub id: i64,
}

impl TaskHandle {
    /// The task as it is now.
    pub(crate) fn get(&self) -> Task {
        self.shared.lock().tasks.get(&self.id).expect("the task exists").clone()
    }

    pub(crate) fn state(&self) -> TaskState {
        self.shared.lock().tasks.get(&self.id).expect("the task exists").state
    }

    fn change<T>(&self, change: impl FnOnce(&mut Task) -> T) -> T {
        self.shared.change(|state| change(state.tasks.get_mut(&self.id).expect("the task exists")))
    }

    /// A builder takes the task, unless it has ended; says whether it did.
    pub(crate) fn open(&self, host: &str) -> bool {
        let host = self.shared.change(|state| state.host_id(host));
        self.change(|task| {
            if task.state.is_finished() {
                return false;
            }
            (task.state, task.host, task.started) = (TaskState::Open, Some(host), Some(now()));
            true
        })
    }

    /// The builder gives the task back.
    pub(crate) fn free(&self) {
        self.change(|task| (task.state, task.host) = (TaskState::Free, None));
    }

    /// The task begins anew: its logs are gone and it has a new start time.
    pub(crate) fn restart(&self) {
        self.change(|task| {
            task.files.clear();
            (task.state, task.started, task.completed, task.result) = (TaskState::Open, Some(now()), None, None);
        });
    }

    /// Grows a file on the default volume.
    pub(crate) fn append(&self, file: &str, bytes: impl AsRef<[u8]>) {
        self.append_on("DEFAULT", file, bytes);
    }

    /// Grows a file on a volume.
    pub(crate) fn append_on(&self, volume: &str, file: &str, bytes: impl AsRef<[u8]>) {
        self.change(|task| task.append(volume, file, bytes.as_ref()));
    }

    /// Cuts a file on the default volume, as an upload that is repeated does for a moment.
    pub(crate) fn truncate_log(&self, file: &str, length: usize) {
        let key = ("DEFAULT".to_owned(), file.to_owned());
        self.change(|task| task.files.get_mut(&key).expect("the file exists").bytes.truncate(length));
    }

    /// A task below this one.
    pub(crate) fn add_child(&self, method: &str, arch: &str) -> TaskHandle {
        let (shared, parent) = (Arc::clone(&self.shared), self.id);
        let id = self.shared.change(|state| {
            let owner = state.tasks.get(&parent).expect("the task exists").owner;
            let task = state.new_task(method, owner, Vec::new());
            (task.parent, task.arch) = (Some(parent), arch.to_owned());
            task.id
        });
        TaskHandle { shared, id }
    }

    /// Ends well, with a result.
    pub(crate) fn close(&self, result: Value) {
        self.change(|task| task.finish(TaskState::Closed, Some(Ok(result))));
    }

    /// Ends well, as a container build does.
    pub(crate) fn close_ok(&self) {
        self.close(container_result());
    }

    /// Ends with a fault.
    pub(crate) fn fail(&self, code: i64, text: &str) {
        self.change(|task| task.finish(TaskState::Failed, Some(Err(HubFault::new(code, text)))));
    }

    /// Ends by cancellation, as by somebody else.
    pub(crate) fn cancel(&self) {
        self.change(|task| task.finish(TaskState::Canceled, None));
    }

    /// Waits until the task is in a state; panics when that takes longer.
    pub(crate) fn wait_for(&self, wanted: TaskState, timeout: Duration) {
        let id = self.id;
        self.shared.wait(timeout, &format!("task {id} to be {wanted:?}"), |state| {
            state.tasks.get(&id).filter(|task| task.state == wanted).map(|_| ())
        });
    }
}

/// What a container build of OSBS leaves behind (koji-containerbuild's `handler`).
pub(crate) fn container_result() -> Value {
    let digest = format!("registry.example.org/hello@sha256:{}", "ab".repeat(32));
    record([
        ("repositories", texts([digest.as_str(), "registry.example.org/hello:1-1"])),
        ("koji_builds", texts(["1"])),
        ("user_warnings", texts(["label x is deprecated"])),
    ])
}

/// How a scripted build ends.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Close,
    Fail(i64, String),
}

/// How builds go.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub arches: Vec<String>,
    /// Steps of the Dockerfile.
    pub steps: usize,
    /// How long each takes.
    pub step: Duration,
    pub end: End,
}

/// Takes every container build that is free, until the hub stops.
pub(super) fn run_script(shared: &Arc<Shared>, script: &Script) {
    while !shared.stopped.load(Ordering::SeqCst) {
        let free = |task: &&Task| task.method == "buildContainer" && task.state == TaskState::Free;
        let next = shared.lock().tasks.values().find(free).map(|task| task.id);
        match next {
            None => shared.doze(Duration::from_millis(20)),
            Some(id) => {
                let task = TaskHandle { shared: Arc::clone(shared), id };
                task.open("builder1");
                let script = script.clone();
                thread::spawn(move || script.build(&task));
            }
        }
    }
}

impl Script {
    fn build(&self, task: &TaskHandle) {
        task.append("osbs-client.log", line("osbs - INFO - creating binary container image pipeline run: hello-f42"));
        task.append("osbs-build.log", line("atomic_reactor.plugin - DEBUG - running plugin 'check_base_image'"));
        for arch in &self.arches {
            task.append("osbs-build.log", format!("{arch} build has started. Check platform specific logs\n"));
        }
        for step in 1..=self.steps {
            for part in 0..LINES_A_STEP {
                for arch in &self.arches {
                    task.append(&format!("{arch}.log"), step_line(step, self.steps, part, arch));
                }
                if !self.goes_on(task) {
                    return;
                }
            }
        }
        task.append("osbs-build.log", line("atomic_reactor.plugin - DEBUG - running plugin 'koji_import'"));
        match &self.end {
            End::Close => task.close_ok(),
            End::Fail(code, text) => task.fail(*code, text),
        }
    }

    /// Waits a part of a step; says whether task and hub are still there for the next.
    fn goes_on(&self, task: &TaskHandle) -> bool {
        let until = Instant::now() + self.step / LINES_A_STEP;
        while task.state() == TaskState::Open && !task.shared.stopped.load(Ordering::SeqCst) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            task.shared.doze(left.min(Duration::from_millis(50)));
        }
        false
    }
}

const LINES_A_STEP: u32 = 5;

fn line(text: &str) -> String {
    let time = time_text(now());
    format!("{},{} - {text}\n", &time[..19], &time[20..23])
}

/// What steps do, one after the other, over and over.
const COMMANDS: [(&str, &str); 4] = [
    ("dnf -y --setopt=install_weak_deps=0 install nginx", "nginx-core"),
    ("dnf -y update", "openssl-libs"),
    ("dnf -y install python3-flask", "python3-werkzeug"),
    ("dnf -y install git-core", "less"),
];

/// A line of a step: its head, what dnf says meanwhile, its layer.
fn step_line(step: usize, of: usize, part: u32, arch: &str) -> String {
    let (command, package) = COMMANDS[(step - 1) % COMMANDS.len()];
    match part {
        0 => line(&format!("atomic_reactor.tasks.binary_container_build - INFO - STEP {step}/{of}: RUN {command}")),
        1 => format!("Downloading: {package}.{arch}  [{step}/{of}]  1.4 MB/s\n"),
        2 => format!("Installing       : {package}.{arch}\n"),
        3 => format!("Verifying        : {package}.{arch}\nComplete!\n"),
        _ => format!("--> {:012x}\n", 0x9f3a_71c4_0000_u64 + step as u64 * 7919),
    }
}
