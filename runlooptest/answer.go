package runlooptest

import (
	"errors"
	"maps"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// An answer is what goes back to the client. Without a status, nothing goes back
// and the connection is closed.
type answer struct {
	status int
	header http.Header
	body   []byte
	length int // as Content-Length has it; the connection is closed where the body is shorter
}

func newAnswer(status int, body []byte) answer {
	header := http.Header{"Content-Type": {"application/json"}}
	return answer{status: status, header: header, body: body, length: len(body)}
}

func viewAnswer(view any) answer {
	body, err := json.Marshal(view, json.Deterministic(true))
	if err != nil {
		return errorAnswer(err)
	}
	return newAnswer(http.StatusOK, body)
}

func errorAnswer(err error) answer {
	refusal, ok := errors.AsType[*apiError](err)
	if !ok {
		refusal = &apiError{status: http.StatusInternalServerError, code: "internal", message: err.Error()}
	}
	ans := newAnswer(refusal.status, errorJSON(refusal.code, refusal.message))
	maps.Copy(ans.header, refusal.header)
	return ans
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

func (ans answer) send(w http.ResponseWriter) {
	if ans.status == 0 {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	maps.Copy(header, ans.header)
	if header.Get("Content-Length") == "" && ans.status != http.StatusNoContent && ans.status != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(ans.length))
	}
	w.WriteHeader(ans.status)
	_, _ = w.Write(ans.body) // the client may have gone; nobody is left to tell
	if len(ans.body) < ans.length {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
