module millpond.clients/telegraf

go 1.26.6

require github.com/influxdata/telegraf v1.37.2
