//! The list of all tests; `every_test_is_listed` fails when one is missing here.

/// Makes a `#[test]` of every device test, run on what the given [`Factory`](crate::Factory) builds.
#[macro_export]
macro_rules! suite {
    ($factory:ident) => {
        $crate::suite! { @modules $factory;
            campaign = [campaign] {
                a_seed_repeats random_commands
            }
            commands_admin = [commands::admin] {
                abort_of_a_write abort_of_nothing aborts_in_a_full_queue data_cross_pages
                invalid_opcodes misaligned_prps scatter_gather_lists
            }
            commands_events = [commands::events] {
                events_wait_for_a_request masked_until_the_log_is_read
                other_functions_hear_nothing request_limit reset_ends_requests temperature
            }
            commands_features = [commands::features] {
                invalid_values mandatory_features_answer namespaces_have_no_features
                saving_is_refused select_says_which_value unknown_features
                values_stay_until_a_reset vector_configuration
            }
            commands_identify = [commands::identify] {
                active_namespaces controller_fields controllers_differ_in_their_identifier
                invalid_structures namespace_fields
            }
            commands_io = [commands::io] {
                data_go_both_ways errors_are_logged flush_namespaces hints_are_accepted
                identifiers_are_echoed invalid_namespaces invalid_opcodes
                large_compares_look_at_every_page ranges_outside_the_namespace
                scatter_gather_lists small_blocks transfers_above_the_limit
            }
            commands_logs = [commands::logs] {
                counters_of_all_functions error_log_order firmware_slot health_counts
                no_more_than_was_asked_for refusals unknown_pages
            }
            commands_prps = [commands::prps] {
                entries_behind_the_last_are_not_read every_size_and_offset lists_chain
                misaligned_entries second_entry_may_be_anything_when_unused
            }
            commands_queues = [commands::queues] {
                all_queues_at_once deletion_in_the_wrong_order deletion_under_load
                invalid_completion_queues invalid_identifiers invalid_rings invalid_sizes
                invalid_vectors number_of_queues
            }
            data_far = [data::far] {
                blocks_all_over_a_large_namespace
            }
            data_history = [data::history] {
                blocks_are_registers
            }
            data_isolation = [data::isolation] {
                bus_master_off other_functions_memory queues_of_one_number
                read_into_unmapped_memory unmapped_completion_ring unmapped_prp_list
                unmapped_submission_ring write_from_unmapped_memory
            }
            data_late = [data::late] {
                entries_that_do_not_come lost_reads_leave_room pages_that_do_not_come
            }
            data_links = [data::links] {
                errors_at_random every_link late_data_by_chance little_completion_space
                round_trips small_blocks
            }
            data_locks = [data::locks] {
                compares_see_whole_writes large_reads_see_one_moment overlapping_ranges_conflict
                reads_beside_a_waiting_write units_are_written_and_read_whole
                writers_do_not_starve
            }
            data_pages = [data::pages] {
                no_page_is_torn
            }
            data_torn = [data::torn] {
                completion_never_comes controller_reset_in_the_middle data_lost_in_the_middle
                function_reset_in_the_middle function_reset_with_reads_that_do_not_end
                large_writes_are_cut_between_units late_data_reach_nobody link_down_in_the_middle
                nothing_is_fetched_for_what_has_failed
            }
            fused_aborted = [fused::aborted] {
                halves_in_a_full_queue
            }
            fused_adjacency = [fused::adjacency] {
                block_counts_differ first_after_first_starts_anew first_blocks_differ
                first_must_be_a_compare first_without_second fused_admin_command
                halves_apart_are_no_pair halves_in_different_queues_are_no_pair
                mistakes_leave_no_state_behind more_than_the_atomic_unit reserved_fuse_value
                second_after_second_is_alone second_must_be_a_write second_without_first
            }
            fused_atomicity = [fused::atomicity] {
                no_increment_is_lost one_of_many_functions_wins one_of_many_wins
                pairs_behind_large_writes
            }
            fused_failure = [fused::failure] {
                both_halves_fail compare_data_lost compare_from_unmapped_memory
                compare_of_an_invalid_namespace compare_out_of_range compare_with_an_invalid_prp
                no_dma_after_the_write_was_answered write_data_lost write_with_an_invalid_prp
            }
            fused_outcome = [fused::outcome] {
                compare_completes_before_write counters_count_a_pair_once edges_of_the_namespace
                every_byte_is_compared every_size_up_to_the_limit force_unit_access_is_accepted
                halves_may_share_a_buffer matching_pair_writes miscompare_leaves_the_medium
            }
            fused_split = [fused::split] {
                across_the_wrap across_two_doorbells across_two_prefetches
                compares_when_complete_not_when_begun in_a_ring_of_two_slots
            }
            fused_waiting = [fused::waiting] {
                abort_of_a_waiting_first abort_of_one_half controller_reset function_level_reset
                queue_deleted waiting_firsts_hold_nothing
            }
            registers_controller = [registers::controller] {
                admin_queue_sizes functions_have_their_own_registers halves_of_wide_registers
                impossible_configurations interrupt_mask read_only_registers reset_values
                writes_of_any_shape
            }
            registers_doorbells = [registers::doorbells] {
                configuration_changed_while_enabled deleted_queues
                head_beyond_the_ring_while_entries_wait head_beyond_what_was_posted
                queues_that_do_not_exist same_value_again values_out_of_range
                writes_of_any_shape
            }
            registers_known_bugs = [registers::known_bugs] {
                pair_queued_behind_the_queues_creation rung_while_completing stale_after_a_reset
                written_while_disabled
            }
            registers_own_state = [registers::own_state] {
                functions_keep_their_own_state
            }
            registers_reset = [registers::reset] {
                controller_reset_under_load function_reset_under_load hot_reset
                locks_are_released others_results_are_unchanged
                physical_function_reset_takes_all_along resets_in_quick_succession
                virtual_function_taken_away_in_its_reset virtual_functions_taken_away
            }
            registers_reset_in_turn = [registers::reset_in_turn] {
                who_waits_for_anything who_waits_for_submission_entries
            }
            registers_shutdown = [registers::shutdown] {
                completes_and_can_be_taken_back others_go_on under_load while_disabled
            }
            traffic_depth = [traffic::depth] {
                completion_queue_of_two_slots depth_of_1024_with_wraps
                free_slots_may_be_overwritten small_rings submission_head_is_reported
                submission_queues_share_a_completion_queue
            }
            traffic_fairness = [traffic::fairness] {
                equal_loads one_greedy_function one_queue_against_four
                small_commands_against_large stuck_completion_queue
            }
            traffic_interrupts = [traffic::interrupts] {
                coalescing disabled disabled_while_coalescing each_queue_has_its_vector
                masked_function masked_vector message_follows_its_completion no_message_is_lost
                queue_without_interrupts reset_masks_again shared_vector table_is_readable
            }
        }
    };
    (@modules $factory:ident; $($name:ident = $path:tt { $($test:ident)* })*) => {
        $(mod $name {
            $(
                #[test]
                fn $test() {
                    $crate::suite! { @call $factory; $path $test }
                }
            )*
        })*
    };
    (@call $factory:ident; [$($segment:ident)::+] $test:ident) => {
        $crate::$($segment::)+$test(super::$factory)
    };
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Device tests of a folder's files, `path::name`.
    fn tests_in(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("the crate's own sources") {
            let path = entry.expect("a readable folder").path();
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .expect("a plain name");
            if path.is_dir() {
                tests_in(&path, &format!("{prefix}{name}::"), found);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a readable file");
            for line in text
                .lines()
                .filter(|line| line.ends_with("(device: Factory) {"))
            {
                if let Some(rest) = line.strip_prefix("pub fn ") {
                    let test = rest.split('(').next().unwrap_or(rest);
                    let module = format!("{prefix}{name}");
                    let module = module.strip_suffix("::mod").unwrap_or(&module);
                    found.push(format!("{module}::{test}"));
                }
            }
        }
    }

    /// A test that is not in the list would never run, on any twin.
    #[test]
    fn every_test_is_listed() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut written = Vec::new();
        tests_in(&sources, "", &mut written);
        let mut listed = Vec::new();
        let mut path = String::new();
        let macro_text = include_str!("suite.rs");
        let rows = macro_text
            .lines()
            .skip_while(|line| !line.contains("@modules $factory;"));
        for line in rows.skip(1).take_while(|line| !line.contains("};")) {
            match line
                .split_once('[')
                .and_then(|(_, rest)| rest.split_once(']'))
            {
                Some((inside, _)) => path = inside.to_owned(),
                None => {
                    let tests = line.split_whitespace().filter(|word| *word != "}");
                    listed.extend(tests.map(|test| format!("{path}::{test}")));
                }
            }
        }
        written.sort();
        listed.sort();
        assert_eq!(written, listed);
        assert!(written.len() > 100, "only {} found", written.len());
    }
}
