use nvme_driver::{DriverError, Outcome, QueueOptions};
use nvme_instant::{InstantDevice, InstantOptions};

use crate::rig::{PAGE, block, filled, finish, finish_one, open, read, write};

#[test]
fn functions_share_the_namespace_and_nothing_else() {
    let device = InstantDevice::new(InstantOptions {
        functions: 7,
        ..InstantOptions::default()
    });
    let controllers: Vec<_> = (0..7).map(|function| open(&device, function)).collect();
    let mut pairs: Vec<_> = controllers
        .iter()
        .flat_map(|controller| {
            (0..4).map(|_| {
                controller
                    .queue_pair(QueueOptions::default())
                    .expect("a queue pair")
            })
        })
        .collect();
    for (index, pair) in pairs.iter_mut().enumerate() {
        write(pair, index as u64, index as u8 + 1).expect("written");
    }
    for pair in &mut pairs {
        assert_eq!(read(pair, 27), vec![28; PAGE]);
    }
    for (index, controller) in controllers.iter().enumerate() {
        assert_eq!(controller.info().controller_id, index as u16);
        assert_eq!(controller.counters().expect("counters").writes, 4);
    }
    let all = controllers[3]
        .counters_of_all_functions()
        .expect("counters");
    assert_eq!(all.iter().map(|row| row.writes).sum::<u64>(), 28);
}

/// Increments of one counter by Compare-and-Write from every queue of every function: each either
/// counts or miscompares, none is lost.
#[test]
fn increments_from_all_functions_add_up() {
    let device = InstantDevice::new(InstantOptions {
        functions: 3,
        shuffle_seed: Some(3),
        ..InstantOptions::default()
    });
    let controllers: Vec<_> = (0..3).map(|function| open(&device, function)).collect();
    let mut pairs: Vec<_> = controllers
        .iter()
        .map(|controller| {
            controller
                .queue_pair(QueueOptions::default())
                .expect("a queue pair")
        })
        .collect();
    let (mut done, mut missed) = (0, 0);
    for _ in 0..40 {
        let seen: Vec<u8> = pairs.iter_mut().map(|pair| read(pair, 9)[0]).collect();
        for (pair, seen) in pairs.iter_mut().zip(seen) {
            let (old, new) = (filled(pair, PAGE, seen), filled(pair, PAGE, seen + 1));
            pair.submit_compare_and_write(9, 1, old, new, 0)
                .expect("room");
            pair.ring();
        }
        for pair in &mut pairs {
            match finish_one(pair).result.expect("no error") {
                Outcome::Done => done += 1,
                Outcome::Miscompare => missed += 1,
            }
        }
    }
    assert_eq!((done, missed), (40, 80));
    assert_eq!(block(&device, 9), 40);
}

/// A buffer is mapped for one function. On another one the device would be refused access, or
/// write somebody else's memory.
#[test]
fn buffers_work_on_all_queue_pairs_of_their_controller_and_no_other() {
    let device = InstantDevice::new(InstantOptions {
        functions: 2,
        ..InstantOptions::default()
    });
    let controllers = [open(&device, 0), open(&device, 1)];
    let pair = |index: usize| {
        controllers[index]
            .queue_pair(QueueOptions::default())
            .expect("a queue pair")
    };
    let (mut first, mut second, mut foreign) = (pair(0), pair(0), pair(1));
    let buffer = filled(&mut first, PAGE, 0x31);
    second.submit_write(0, 1, buffer, 0).expect("room");
    let buffer = finish_one(&mut second).buffer.expect("buffer");
    assert_eq!(block(&device, 0), 0x31);
    foreign
        .submit_read(0, 1, buffer, 0)
        .expect("taken, to fail");
    let error = finish_one(&mut foreign).result.expect_err("foreign");
    assert!(matches!(error, DriverError::InvalidRequest { .. }));
    assert!(
        error.to_string().contains("belongs to another controller"),
        "{error}"
    );
}

/// A buffer outlives the queue pair it came from.
#[test]
fn buffers_outlive_their_pool() {
    let device = InstantDevice::new(InstantOptions::default());
    let controller = open(&device, 0);
    let mut first = controller
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    let mut second = controller
        .queue_pair(QueueOptions::default())
        .expect("a queue pair");
    let buffer = filled(&mut first, PAGE, 0x44);
    drop(first);
    second.submit_write(1, 1, buffer, 0).expect("room");
    assert_eq!(finish(&mut second)[0].result, Ok(Outcome::Done));
    assert_eq!(block(&device, 1), 0x44);
}

/// Queue pairs may move between threads where the transport may: decided by the compiler.
#[test]
fn a_queue_pair_is_send_where_its_transport_is() {
    fn is_send<S: Send>() {}
    #[expect(dead_code, reason = "compiling it is the test")]
    fn proof<T>()
    where
        T: nvme_driver::Transport + Send,
        T::Dma: Send + Sync,
    {
        is_send::<nvme_driver::QueuePair<T>>();
        is_send::<nvme_driver::Controller<T>>();
        is_send::<nvme_driver::DmaBuffer<T::Dma>>();
        is_send::<nvme_driver::Completion<T::Dma>>();
    }
}
