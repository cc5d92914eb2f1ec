package memfrontier

import "github.com/lycosa-crawl/lycosa/scheduler"

type notes struct{}

func (*notes) expired(*task, *string, int64)               {}
func (*notes) pushed(*task, int64)                         {}
func (*notes) finished(*task, *scheduler.Result, int64)    {}
func (*notes) unparked(string)                             {}
func (*notes) hosted(*host)                                {}
func (*notes) pausing(bool)                                {}
func (*notes) saved(host, name, value string, until int64) {}
