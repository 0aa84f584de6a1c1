package runloop

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// The second service of CONTRIBUTING.md stands below word for word. It is in the
// package, as a service would be, and the engine knows nothing of it.

// BlueprintsService has the calls of the Blueprints API. Use it through
// [Client].Blueprints.
type BlueprintsService struct {
	client *Client
}

// Get returns the blueprint that has the ID, or an error that matches [ErrNotFound].
func (s *BlueprintsService) Get(ctx context.Context, id string, opts ...Option) (*Blueprint, error) {
	return send(ctx, s.owner(), opts, engine.Request[*Blueprint]{
		Operation: "get blueprint",
		Method:    http.MethodGet,
		Route:     "/v1/blueprints/{id}",
		ID:        id,
		Decode:    decodeBlueprint,
		Refusals:  byIDRefusals,
	})
}

// owner returns the service's client, or nil when NewClient did not make it.
func (s *BlueprintsService) owner() *Client {
	if s == nil {
		return nil
	}
	return s.client
}

// A Blueprint is an image that devboxes start from.
type Blueprint struct {
	// ID is the API's name for it.
	ID string
	// Name is the user's.
	Name string
}

func decodeBlueprint(body []byte, _ string) (*Blueprint, error) {
	b := new(Blueprint)
	err := decodeDocument(body, func(d decoder) error {
		return d.object(func(name []byte) error {
			switch string(name) {
			case "id":
				return d.text(&b.ID)
			case "name":
				return d.text(&b.Name)
			}
			return d.SkipValue()
		})
	})
	if err == nil && b.ID == "" {
		err = errors.New(`it has no "id"`)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func TestTheSecondServiceOfCONTRIBUTING(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.EscapedPath() {
		case "GET /v1/blueprints/bp%2F1":
			w.Write([]byte(`{"id":"bp/1","name":"go","status":"ready"}`))
		case "GET /v1/blueprints/none":
			w.Write([]byte(`{"name":"go"}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	client, err := NewClient(WithAPIKey("key"), WithBaseURL(server.URL))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	blueprints := &BlueprintsService{client: client}

	blueprint, err := blueprints.Get(t.Context(), "bp/1")
	require.NoError(t, err)
	assert.Equal(t, &Blueprint{ID: "bp/1", Name: "go"}, blueprint)

	blueprint, err = blueprints.Get(t.Context(), "bp_2")
	assert.ErrorIs(t, err, ErrNotFound)
	assert.Nil(t, blueprint)

	blueprint, err = blueprints.Get(t.Context(), "none")
	assert.ErrorIs(t, err, ErrInvalidResponse)
	assert.Nil(t, blueprint)

	_, err = blueprints.Get(t.Context(), "..")
	assert.ErrorContains(t, err, "get blueprint: id:")
}

func TestAWriteThatDoesNotSayHowIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int{http.MethodPost: 1, http.MethodGet: 4} {
		synctest.Test(t, func(t *testing.T) {
			transport := httpmock.NewMockTransport()
			transport.RegisterNoResponder(httpmock.NewStringResponder(http.StatusServiceUnavailable, ""))
			client, err := NewClient(WithAPIKey("key"), WithHTTPClient(&http.Client{Transport: transport}))
			require.NoError(t, err)

			_, err = send(t.Context(), client, nil, engine.Request[struct{}]{Operation: "try", Method: method, Route: "/v1/things"})

			assert.ErrorIs(t, err, ErrServer)
			assert.Equal(t, want, transport.GetTotalCallCount(), method)
		})
	}
}

func TestCONTRIBUTINGHasOnlyCodeThatCompiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	source, err := os.ReadFile("contributing_test.go")
	require.NoError(t, err)

	blocks := strings.Split(string(page), "```go\n")[1:]

	assert.NotEmpty(t, blocks)
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		assert.Contains(t, string(source), block)
	}
}
