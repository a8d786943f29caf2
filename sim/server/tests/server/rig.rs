//! A server of a model in a thread of its own, on sockets in a directory of its own.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;

use nvme_model::medium::Medium;
use nvme_model::{Model, ModelOptions};
use nvme_server::{Event, Server, ServerOptions};

/// Bytes of the medium.
pub(crate) const MEDIUM_BYTES: u64 = 16 << 20;

/// The server; dropped, it ends.
pub(crate) struct Rig {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) events: mpsc::Receiver<Event>,
    /// The server's thread, as the kernel names it.
    pub(crate) thread_id: i32,
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    /// Serves `functions` functions as fast as possible, and sleeps at once when there is nothing to
    /// do.
    pub(crate) fn new(functions: u8) -> Self {
        Self::with(move |options, _| {
            options.functions = functions;
            options.spin = Some(std::time::Duration::ZERO);
        })
    }

    /// With other options.
    pub(crate) fn with(
        adjust: impl FnOnce(&mut ServerOptions, &mut ModelOptions) + Send + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let (ready, is_ready) = mpsc::channel();
        let (tell, events) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let medium = Medium::in_memory(MEDIUM_BYTES, 4096).unwrap();
            let mut model = ModelOptions::new(medium);
            let mut options = ServerOptions::new(path);
            adjust(&mut options, &mut model);
            let endpoint = Box::new(Model::new(model).unwrap());
            let mut server = Server::new(endpoint, options).unwrap();
            server.on_event(move |event| {
                // Nobody may listen any more.
                let _ = tell.send(event.clone());
            });
            let id = rustix::thread::gettid().as_raw_nonzero().get();
            ready.send(id).unwrap();
            server.run(stopped.as_fd()).unwrap();
        });
        let thread_id = is_ready.recv().unwrap();
        Self {
            directory,
            events,
            thread_id,
            stop,
            thread: Some(thread),
        }
    }

    /// Where a function listens.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.directory.path().join(name).join("cntrl")
    }

    /// Ends the server, and says whether it ended well.
    pub(crate) fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.write_all(&[0]).unwrap();
            thread.join().unwrap();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}
