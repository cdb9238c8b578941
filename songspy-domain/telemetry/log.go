package telemetry

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
)

// NewLogger returns a logger that writes records of the given level ("debug",
// "info", "warn" or "error") and above to w, in the format "json" or "text". Any
// other level counts as "info", any other format as "json". Each record carries
// the attributes that WithAttrs added to its context. As a safety net, the logger
// masks the values of attributes whose names suggest a secret. It also removes
// user, password, query and fragment from URLs.
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	var least slog.Level
	if least.UnmarshalText([]byte(level)) != nil {
		least = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: least, ReplaceAttr: maskAttr}
	var handler slog.Handler = slog.NewJSONHandler(w, options)
	if format == "text" {
		handler = slog.NewTextHandler(w, options)
	}
	return slog.New(attrsHandler{handler})
}

type attrsKey struct{}

// WithAttrs returns a copy of ctx with additional log attributes, such as the ID
// of a request, or the name and run of a job. Every record that is logged with
// that context carries them.
func WithAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	return context.WithValue(ctx, attrsKey{}, append(attrsOf(ctx), attrs...))
}

// attrsOf returns the log attributes in ctx. The caller may append to the slice
// without changing the attributes in ctx.
func attrsOf(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return slices.Clip(attrs)
}

// attrsHandler adds the attributes of the context to every record.
type attrsHandler struct{ slog.Handler }

func (h attrsHandler) Handle(ctx context.Context, r slog.Record) error {
	if attrs := attrsOf(ctx); len(attrs) > 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

func (h attrsHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return attrsHandler{h.Handler.WithAttrs(attrs)}
}

func (h attrsHandler) WithGroup(name string) slog.Handler {
	return attrsHandler{h.Handler.WithGroup(name)}
}

// secretWords are the words by which maskAttr recognizes secrets. If the name of
// an attribute, in lower case, contains one of them, its value counts as secret.
var secretWords = []string{"authorization", "cookie", "email", "password", "secret", "token", "verifier"}

// urlSecrets matches a URL from the end of its scheme on. Its two groups capture
// the public parts: the end of the scheme, and the host with the path. The rest
// of the match may be secret: user and password, query, fragment.
var urlSecrets = regexp.MustCompile(`(\w://)(?:[^/?#\s"@]*@)?([^?#\s"]*)(?:[?#][^\s"]*)?`)

// maskAttr masks the value of an attribute whose name contains one of
// secretWords. In other values it removes the parts of URLs that may be secret.
// It changes strings and errors, and writes durations with their unit.
func maskAttr(_ []string, a slog.Attr) slog.Attr {
	text := ""
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	case time.Duration:
		text = v.String() // the JSON handler would write a number without its unit
	default:
		return a
	}
	name := strings.ToLower(a.Key)
	if text != "" && slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) }) {
		return slog.String(a.Key, "[secret]")
	}
	if strings.Contains(text, "://") {
		text = urlSecrets.ReplaceAllString(text, "$1$2")
	}
	return slog.String(a.Key, text)
}
