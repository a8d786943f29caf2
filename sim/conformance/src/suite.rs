//! The list of all tests. `every_test_is_listed` fails when one is missing here.

/// Makes a `#[test]` of every device test, run on what the given [`Factory`](crate::Factory) builds.
#[macro_export]
macro_rules! suite {
    ($factory:path) => {
        $crate::suite! { @tests $factory;
            fused::adjacency {
                block_counts_differ first_after_first_starts_anew first_blocks_differ
                first_must_be_a_compare first_without_second fused_admin_command
                halves_apart_are_no_pair halves_in_different_queues_are_no_pair
                mistakes_leave_no_state_behind more_than_the_atomic_unit reserved_fuse_value
                second_after_second_is_alone second_must_be_a_write second_without_first
            }
            fused::atomicity {
                no_increment_is_lost one_of_many_wins pairs_behind_large_writes
            }
            fused::failure {
                both_halves_fail compare_data_lost compare_from_unmapped_memory
                compare_of_an_invalid_namespace compare_out_of_range compare_with_an_invalid_prp
                no_dma_after_the_write_was_answered write_data_lost write_with_an_invalid_prp
            }
            fused::outcome {
                compare_completes_before_write counters_count_a_pair_once edges_of_the_namespace
                every_byte_is_compared every_size_up_to_the_limit force_unit_access_is_accepted
                halves_may_share_a_buffer matching_pair_writes miscompare_leaves_the_medium
            }
            fused::split {
                across_the_wrap across_two_doorbells across_two_prefetches
                compares_when_complete_not_when_begun in_a_ring_of_two_slots
            }
            fused::waiting {
                abort_of_a_waiting_first abort_of_one_half controller_reset function_level_reset
                queue_deleted waiting_firsts_hold_nothing
            }
        }
    };
    (@tests $factory:path; $($module:ident $(:: $inner:ident)? { $($test:ident)* })*) => {
        $crate::suite! { @modules $factory; $([$module $($inner)?] { $($test)* })* }
    };
    (@modules $factory:path;) => {};
    (@modules $factory:path; [$module:ident] { $($test:ident)* } $($rest:tt)*) => {
        mod $module {
            $(#[test] fn $test() { $crate::$module::$test($factory); })*
        }
        $crate::suite! { @modules $factory; $($rest)* }
    };
    (@modules $factory:path; [fused $inner:ident] { $($test:ident)* } $($rest:tt)*) => {
        mod $inner {
            $(#[test] fn $test() { $crate::fused::$inner::$test($factory); })*
        }
        $crate::suite! { @modules $factory; $($rest)* }
    };
}
