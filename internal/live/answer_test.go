package live

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// An answer is what the API answered, read to its end. Its methods tell it in the
// short texts that checks show.
type answer struct {
	status int
	header http.Header
	body   []byte
	// message is that of a refusal, wherever the SDK finds it in the body.
	message string
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// code is the status: "400".
func (a answer) code() string { return fmt.Sprint(a.status) }

// saying is the status, and the phrase if the message has it in either case:
// "400, already exists".
func (a answer) saying(phrase string) string {
	if strings.Contains(strings.ToLower(a.message), phrase) {
		return a.code() + ", " + phrase
	}
	return a.code()
}

// value returns a member of the body, or nil when there is none.
func (a answer) value(path ...string) any {
	var value any
	if json.Unmarshal(a.body, &value) != nil {
		return nil
	}
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func (a answer) id() string {
	id, _ := a.value("id").(string)
	return id
}

// ids returns those of the policies that a list has, in its order.
func (a answer) ids() []string {
	var ids []string
	policies, _ := a.value("network_policies").([]any)
	for _, policy := range policies {
		policy, _ := policy.(map[string]any)
		id, _ := policy["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

// members returns the members of the body by name, as JSON text. Those of egress are
// named "egress.allow_all" and so on.
func (a answer) members() map[string]string {
	members := map[string]string{}
	body, _ := a.value().(map[string]any)
	for name, value := range body {
		members[name] = text(value)
	}
	egress, _ := body["egress"].(map[string]any)
	for name, value := range egress {
		members["egress."+name] = text(value)
	}
	delete(members, "egress")
	return members
}

// member is the JSON text of a member, "absent" when there is none, or the status of
// a refusal.
func (a answer) member(name string) string {
	value, found := a.members()[name]
	switch {
	case !a.ok():
		return a.code()
	case !found:
		return "absent"
	}
	return value
}

// echoes compares the policy with what was sent in the body of the create: "all of
// it", or the members that are other than sent.
func (a answer) echoes(sent string) string {
	var want map[string]any
	if err := json.Unmarshal([]byte(sent), &want); err != nil {
		panic(err) // the check is wrong
	}
	have := a.members()
	var other []string
	for name, value := range want {
		if have[name] != text(value) && have["egress."+name] != text(value) {
			other = append(other, name)
		}
	}
	switch {
	case !a.ok():
		return a.code()
	case len(other) > 0:
		slices.Sort(other)
		return "other: " + strings.Join(other, ", ")
	}
	return "all of it"
}

// changedSince names the members that the policy before has not, or not so. The time
// of the update does not count.
func (a answer) changedSince(before answer) string {
	was, is := before.members(), a.members()
	names := map[string]bool{}
	for _, members := range []map[string]string{was, is} {
		for name := range members {
			if name != "update_time_ms" && was[name] != is[name] {
				names[name] = true
			}
		}
	}
	switch {
	case !before.ok():
		return before.code()
	case !a.ok():
		return a.code()
	case len(names) == 0:
		return "nothing has changed"
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ") + " has changed"
}

// number returns a member that is a number, or 0.
func (a answer) number(name string) float64 {
	number, _ := a.value(name).(float64)
	return number
}

// contentType is the media type without its parameters.
func (a answer) contentType() string {
	mediaType, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		return "none"
	}
	return mediaType
}

// text is the value as JSON, the members of objects in order.
func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // it was JSON before
	}
	return string(data)
}

// excerpt is the beginning of a body, on one line.
func excerpt(body []byte) string {
	const most = 300
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "?")), " ")
	if characters := []rune(line); len(characters) > most {
		line = string(characters[:most]) + "..."
	}
	return line
}
