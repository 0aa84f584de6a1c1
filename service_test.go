package runloop

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/internal/engine"
)

// A second service, as CONTRIBUTING.md describes it. It needs no change elsewhere in the
// package or in the engine.

// BlueprintsService provides access to the Blueprints API.
type BlueprintsService struct {
	client *Client
}

// Get returns the blueprint with the ID, or an error that matches [ErrNotFound].
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

// owner returns the service's client, or nil if NewClient did not create the service.
func (s *BlueprintsService) owner() *Client {
	if s == nil {
		return nil
	}
	return s.client
}

// A Blueprint is an image that devboxes start from.
type Blueprint struct {
	ID   string
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

func TestASecondService(t *testing.T) {
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

func TestAWriteIsNotRetriedByDefault(t *testing.T) {
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
