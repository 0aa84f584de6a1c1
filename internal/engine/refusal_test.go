package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPlainMessage(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"":                                    "",
		"Not Found":                           "not found",
		"POLICY_IN_USE":                       "policy in use",
		"non-existent policy":                 "non existent policy",
		"a\n\ttwo  lined\r\nmessage":          "a two lined message",
		`policy "not found" is in use`:        "policy is in use",
		"policy `not found` is in use":        "policy is in use",
		"policy “not found” is in use":        "policy is in use",
		"policy «not found» is in use":        "policy is in use",
		"policy 'not found' is in use":        "policy is in use",
		"policy ‘not found’ is in use":        "policy is in use",
		"policy (name='not found') is used":   "policy (name= ) is used",
		"policy ['not found']":                "policy [ ]",
		"'not found': in use":                 ": in use",
		"the name is 'not found'":             "the name is",
		"the name is 'not found'.":            "the name is .",
		"one of 'a','not found','in use' is":  "one of , , is",
		"one of 'a' 'not found' 'in use' is":  "one of is",
		"policy 'bob's thing not found' is":   "policy is",
		"policy ‘bob’s thing not found’ is":   "policy is",
		"the policy doesn't exist":            "the policy doesn't exist",
		"the policy doesn’t exist":            "the policy doesn't exist",
		"it can't be used, it isn't 'in use'": "it can't be used, it isn't",
		"the policies' names aren't unique":   "the policies' names aren't unique",
		"'build' doesn't exist in 'prod'":     "doesn't exist in",
		`an open "quote not found`:            `an open "quote not found`,
		`"" not found`:                        "not found",
		`policy "my "not found" one" is used`: `policy one" is used`,
		`policy "my \"not found\"" is used`:   "policy is used",
		`policy "a\\" is used by "b"`:         "policy is used by",
		`policy 'my \'not found\'' is used`:   "policy is used",
		"policy `my `not found` one` is used": "policy one` is used",
		`policy "my "in use" one" has "x"`:    `policy one" has`,
		`policy "a"is used by "b"`:            "policy",
	} {
		assert.Equal(t, want, plainMessage(message), "%q", message)
	}
}

func TestMeaning(t *testing.T) {
	t.Parallel()
	gone, taken, silent, certain := errors.New("gone"), errors.New("taken"), errors.New("silent"), errors.New("certain")
	refusals := []Refusal{
		{Err: certain, Statuses: []int{410}, NotInDoubt: true},
		{Err: gone, Statuses: []int{404, 410}, MessageStatuses: []int{400}, MatchMessage: func(m string) bool { return strings.Contains(m, "gone") }},
		{Err: taken, MessageStatuses: []int{400, 409}, MatchMessage: func(m string) bool { return strings.Contains(m, "taken") }},
		{Err: silent, SilentStatuses: []int{409}},
	}
	whole := func(message string) errorBody {
		return errorBody{message: message, structured: true, silent: message == ""}
	}
	for name, tt := range map[string]struct {
		status  int
		body    errorBody
		inDoubt bool
		want    error
	}{
		"by the status":                 {404, whole("taken"), false, gone},
		"by the status, with any body":  {404, errorBody{truncated: true}, true, gone},
		"by the message":                {400, whole("GONE"), false, gone},
		"the first that matches":        {400, whole("taken and gone"), false, gone},
		"the second":                    {400, whole("taken"), false, taken},
		"a message, of another status":  {422, whole("taken"), false, nil},
		"another message":               {400, whole("no"), false, nil},
		"a quoted message":              {400, whole(`"taken"`), false, nil},
		"text of a proxy":               {400, errorBody{message: "taken"}, false, nil},
		"no message":                    {409, whole(""), false, silent},
		"an unknown message":            {409, whole("no"), false, nil},
		"only a quoted message":         {409, whole(`"taken"`), false, nil},
		"no message, of another status": {400, whole(""), false, nil},
		"a page":                        {409, errorBody{}, false, nil},
		"a message under another name":  {409, errorBody{structured: true}, false, nil},
		"not in doubt":                  {410, whole(""), false, certain},
		"in doubt":                      {410, whole(""), true, gone},
	} {
		assert.Equal(t, tt.want, meaning(refusals, tt.status, tt.body, tt.inDoubt), name)
	}
}
