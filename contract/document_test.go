package contract_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/runloop-community/runloop-go/contract"
)

// openapi.yaml must not be edited: what was added later belongs in today.yaml.
func TestDocumentIsAsPublished(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(read(t, "openapi.yaml"))
	assert.Equal(t, "2c6c9f031acc47d02c5c89a0c71f0a89ccfbbbcf0949d078e8beba03e98ba959", fmt.Sprintf("%x", sum))
}

func TestTodayContainsVersion01(t *testing.T) {
	t.Parallel()
	assert.Empty(t, missing(described(t, read(t, "openapi.yaml")), described(t, read(t, "today.yaml")), ""))
	assert.Subset(t, today(t).Items(), version01(t).Items())
}

func TestMissingPartsOfTodayAreNoticed(t *testing.T) {
	t.Parallel()
	source := string(read(t, "today.yaml"))
	for _, test := range []struct{ old, new, want string }{
		{"/v1/network-policies/{id}/delete:", "/v1/gone:", ".paths./v1/network-policies/{id}/delete"},
		{"{name: name, in: query", "{name: gone, in: query", ".parameters name"},
		{"allow_all: {type: boolean, nullable: true}", "allow_all: {type: boolean}", ".allow_all.nullable"},
		{"allow_all: {type: boolean}", "allow_all: {type: string}", ".allow_all.type"},
		{"required: [name]", "required: []", ".required name"},
		{"format: int64", "format: int32", ".format"},
		{"'404':", "'418':", ".responses.404"},
	} {
		require.Contains(t, source, test.old)
		changed := []byte(strings.ReplaceAll(source, test.old, test.new))
		assert.Contains(t, missing(described(t, read(t, "openapi.yaml")), described(t, changed), ""), test.want)
	}
}

func TestParseRejectsInvalidDocuments(t *testing.T) {
	t.Parallel()
	for _, source := range []string{``, `[`, `{"openapi": "3.0.3"}`} {
		_, err := contract.Parse([]byte(source))
		assert.Error(t, err, source)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	return source
}

// described returns what a document describes, without its metadata.
func described(t *testing.T, source []byte) map[string]any {
	t.Helper()
	var tree map[string]any
	require.NoError(t, yaml.Unmarshal(source, &tree))
	maps.DeleteFunc(tree, func(name string, _ any) bool { return name == "openapi" || name == "info" || name == "tags" })
	return tree
}

// missing returns the places of whatever part has and whole does not, or "". Descriptions do not
// count, and false is the same as nothing.
func missing(part, whole any, place string) string {
	var places strings.Builder
	switch part := part.(type) {
	case map[string]any:
		whole, found := whole.(map[string]any)
		if !found && len(part) > 0 {
			return place + "\n"
		}
		for name, value := range part {
			if _, isSchema := value.(map[string]any); isSchema || !slices.Contains([]string{"description", "summary", "tags"}, name) {
				places.WriteString(missing(value, whole[name], place+"."+name))
			}
		}
	case []any:
		whole, _ := whole.([]any)
		for _, item := range part {
			if !slices.ContainsFunc(whole, func(other any) bool { return missing(item, other, place) == "" }) {
				places.WriteString(place + " " + nameOf(item) + "\n")
			}
		}
	default:
		if part != whole && !(part == false && whole == nil) {
			return place + "\n"
		}
	}
	return places.String()
}

// nameOf returns the name of a parameter, or a text itself.
func nameOf(item any) string {
	if parameter, ok := item.(map[string]any); ok {
		item = parameter["name"]
	}
	name, _ := item.(string)
	return name
}
