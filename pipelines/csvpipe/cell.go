package csvpipe

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// cell returns the text of a value.
func cell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return harmless(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return string(pipelines.AppendJSON(nil, value))
}

var number = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// harmless returns text such that no spreadsheet takes it for a formula.
func harmless(text string) string {
	if dangerous(text) && !number.MatchString(text) {
		return "'" + text
	}
	return text
}

// Plain returns the text that stands in a cell, without the apostrophe that csvpipe may have put in front.
func Plain(cell string) string {
	if strings.HasPrefix(cell, "'") && dangerous(cell) {
		return cell[1:]
	}
	return cell
}

// dangerous reports whether a text starts, after any apostrophes, as a formula does.
func dangerous(text string) bool {
	text = strings.TrimLeft(text, "'")
	return text != "" && strings.IndexByte("=+-@\t\r\n", text[0]) >= 0
}

// split takes a record with its line end apart. encoding/csv does so too, but drops carriage returns within cells.
func split(record string) (cells []string, err error) {
	record = strings.TrimSuffix(strings.TrimSuffix(record, "\n"), "\r")
	for {
		var cell string
		cell, record, err = splitCell(record)
		if err != nil {
			return nil, err
		}
		cells = append(cells, cell)
		if record == "" {
			return cells, nil
		}
		record = record[1:] // the comma
	}
}

// splitCell returns the first cell and what follows it: nothing, or a comma and more.
func splitCell(record string) (cell, rest string, err error) {
	if !strings.HasPrefix(record, `"`) {
		end := strings.IndexByte(record, ',')
		if end < 0 {
			end = len(record)
		}
		return record[:end], record[end:], nil
	}
	var b strings.Builder
	for record = record[1:]; ; record = record[1:] {
		end := strings.IndexByte(record, '"')
		if end < 0 {
			return "", "", errors.New("a quoted cell does not end")
		}
		b.WriteString(record[:end])
		record = record[end+1:]
		if record == "" || record[0] == ',' {
			return b.String(), record, nil
		}
		if record[0] != '"' {
			return "", "", fmt.Errorf("%.20q follows a quoted cell", record)
		}
		b.WriteByte('"')
	}
}
