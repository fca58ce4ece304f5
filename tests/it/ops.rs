//! Each operation that is served: one file each, which README links to.

mod add_tags_to_stream;
mod create_stream;
mod decrease_stream_retention_period;
mod delete_stream;
mod describe_account_settings;
mod describe_limits;
mod describe_stream;
mod describe_stream_summary;
mod disable_enhanced_monitoring;
mod enable_enhanced_monitoring;
mod get_records;
mod get_shard_iterator;
mod increase_stream_retention_period;
mod list_shards;
mod list_streams;
mod list_tags_for_stream;
mod merge_shards;
mod put_record;
mod put_records;
mod remove_tags_from_stream;
mod split_shard;
mod update_account_settings;
mod update_max_record_size;
mod update_shard_count;
