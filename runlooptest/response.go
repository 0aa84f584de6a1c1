package runlooptest

import (
	"errors"
	"maps"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A response is what the client receives. Without a status, it receives nothing and
// the connection is closed.
type response struct {
	status int
	header http.Header
	body   []byte
	length int // as Content-Length has it; the connection is closed where the body is shorter
}

func newResponse(status int, body []byte) response {
	header := http.Header{"Content-Type": {"application/json"}}
	return response{status: status, header: header, body: body, length: len(body)}
}

func viewResponse(view any) response {
	body, err := json.Marshal(view, json.Deterministic(true))
	if err != nil {
		return errorResponse(err)
	}
	return newResponse(http.StatusOK, body)
}

func errorResponse(err error) response {
	refusal, ok := errors.AsType[*apiError](err)
	if !ok {
		refusal = &apiError{status: http.StatusInternalServerError, code: "internal", message: err.Error()}
	}
	res := newResponse(refusal.status, errorJSON(refusal.code, refusal.message))
	maps.Copy(res.header, refusal.header)
	return res
}

func errorJSON(code, message string) []byte {
	return mustMarshal(errorBody{Error: code, Message: message})
}

// mustMarshal encodes what can always be encoded.
func mustMarshal(v any) []byte {
	// Messages quote what clients send, which need not be valid UTF-8.
	body, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic("runlooptest: " + err.Error())
	}
	return body
}

func (res response) send(w http.ResponseWriter) {
	if res.status == 0 {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	maps.Copy(header, res.header)
	if header.Get("Content-Length") == "" && res.status != http.StatusNoContent && res.status != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(res.length))
	}
	w.WriteHeader(res.status)
	_, _ = w.Write(res.body) // the client may have gone; nobody is left to tell
	if len(res.body) < res.length {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
