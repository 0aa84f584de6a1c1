package live

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A response of the API, read to its end. Its methods describe it in the short texts of rows, a
// refusal by its status.
type response struct {
	status  int
	header  http.Header
	body    []byte
	message string // of a refusal, as the SDK finds it in the body
}

func (res response) ok() bool { return res.status >= 200 && res.status < 300 }

func (res response) code() string { return fmt.Sprint(res.status) }

// with is the status, and the phrase if the message has it in either case: "400, in use".
func (res response) with(phrase string) string {
	if strings.Contains(strings.ToLower(res.message), phrase) {
		return res.code() + ", " + phrase
	}
	return res.code()
}

// fields returns the fields of a JSON object as JSON, with those of objects in it as
// "egress.allow_all". Other bodies have none.
func fields(body []byte) map[string]string {
	fields := map[string]string{}
	var object map[string]any
	_ = json.Unmarshal(body, &object)
	for name, value := range object {
		inner, isObject := value.(map[string]any)
		if !isObject {
			fields[name] = text(value)
		}
		for field, value := range inner {
			fields[name+"."+field] = text(value)
		}
	}
	return fields
}

// field is the JSON of a field, or "absent".
func (res response) field(name string) string {
	if value, found := fields(res.body)[name]; found && res.ok() {
		return value
	}
	return res.or("absent")
}

// or is the text, or the status of a refusal.
func (res response) or(text string) string {
	if res.ok() {
		return text
	}
	return res.code()
}

func (res response) id() string { return strings.Trim(fields(res.body)["id"], `"`) }

// ids returns the IDs of the items of a list, in its order.
func (res response) ids() []string {
	var list struct {
		Policies []struct{ ID string } `json:"network_policies"`
		Devboxes []struct{ ID string } `json:"devboxes"`
	}
	_ = json.Unmarshal(res.body, &list)
	var ids []string
	for _, item := range append(list.Policies, list.Devboxes...) {
		ids = append(ids, item.ID)
	}
	return ids
}

// has reports whether a list has the ID.
func (res response) has(id string) string {
	if slices.Contains(res.ids(), id) {
		return "there"
	}
	return res.or("not there")
}

// extent returns how many items a page has, and whether it is the last.
func (res response) extent() string {
	return res.or(fmt.Sprintf("%d, has_more %s", len(res.ids()), res.field("has_more")))
}

// echoes names the fields whose values are not those that were sent.
func (res response) echoes(sent string) string {
	have, other := fields(res.body), map[string]bool{}
	for name, value := range fields([]byte("{" + sent + "}")) {
		if have[name] != value && have["egress."+name] != value {
			other[name] = true
		}
	}
	return res.list(other, "all of it", "other: %s")
}

// list formats the names with the text for some, or returns the text for none.
func (res response) list(names map[string]bool, none, some string) string {
	if len(names) == 0 {
		return res.or(none)
	}
	return res.or(fmt.Sprintf(some, strings.Join(slices.Sorted(maps.Keys(names)), ", ")))
}

// since names the fields that have changed. The time of the update does not count.
func (res response) since(before response) string {
	was, is, changed := fields(before.body), fields(res.body), map[string]bool{}
	for _, fields := range []map[string]string{was, is} {
		for name := range fields {
			if name != "update_time_ms" && was[name] != is[name] {
				changed[name] = true
			}
		}
	}
	return res.list(changed, "nothing has changed", "%s has changed")
}

// now is "now" if a field is the present in Unix milliseconds, by a clock that is right within
// ten minutes.
func (res response) now(name string) string {
	value := res.field(name)
	var ms int64
	if json.Unmarshal([]byte(value), &ms) != nil || time.Since(time.UnixMilli(ms)).Abs() > 10*time.Minute {
		return value
	}
	return "now"
}

// contentType is the media type without its parameters.
func (res response) contentType() string {
	mediaType, _, _ := strings.Cut(res.header.Get("Content-Type"), ";")
	return mediaType
}

// text is the value, which was JSON before, as JSON with the fields of objects in order.
func text(value any) string {
	data, _ := json.Marshal(value)
	return string(data)
}
