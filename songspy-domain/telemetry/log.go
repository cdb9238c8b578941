package telemetry

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// NewLogger writes records of the given level (debug, info, warn, error) and
// above to w, as json or text; anything else counts as info and json. Each
// record carries what With put into its context. Attributes whose name says
// that they are secret are masked, and the URL of a failed request is cut
// before its query, whatever a caller lets slip.
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

// With gives a context under which every record carries the attributes, such
// as a request's id or a job's name and run.
func WithAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	return context.WithValue(ctx, attrsKey{}, append(attrsOf(ctx), attrs...))
}

// attrsOf gives a slice that may be appended to without touching the context's own.
func attrsOf(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return slices.Clip(attrs)
}

// correlated adds the context's attributes to every record.
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

// secretWords are the words of an attribute's name that make its value a secret.
var secretWords = []string{"authorization", "cookie", "email", "password", "secret", "token", "verifier"}

// urlSecrets parts a URL into what may be shown, scheme, host and path, and what
// may be secret: user and password, query and fragment.
var urlSecrets = regexp.MustCompile(`(\w://)(?:[^/?#\s"@]*@)?([^?#\s"]*)(?:[?#][^\s"]*)?`)

// mask is the net under all callers: it hides by name, and cuts URLs.
func maskAttr(_ []string, a slog.Attr) slog.Attr {
	text := ""
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
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
