// Package web holds the bundled page, which shows the live board in a browser. It reads
// the public API and shows its answers as text only. There is no build step: the browser
// loads the files of the folder page.
//
// The files are served below an address that has a hash of all of them, so a browser
// may keep them forever, and modules find each other by relative paths.
package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"
)

//go:embed page
var files embed.FS

// Languages are the languages of the page. Viewers who prefer another language get the first.
var Languages = []string{"en", "ko"}

// Page is one page. Its module is js/NAME.js, and css/NAME.css is its style sheet if it
// exists. html/NAME.html has its first content if it exists.
type Page struct {
	Name string
	// Path is its route as Gin writes it.
	Path string
	// Style is its style sheet if other pages share it: css/STYLE.css.
	Style string
}

// Pages are all pages.
var Pages = []Page{
	{Name: "now", Path: "/"},
	{Name: "person", Path: "/u/:handle", Style: "now"},
	{Name: "track", Path: "/t/:handle", Style: "now"},
	{Name: "welcome", Path: "/welcome", Style: "account"},
	{Name: "me", Path: "/me", Style: "account"},
	{Name: "privacy", Path: "/privacy", Style: "account"},
	{Name: "terms", Path: "/terms", Style: "account"},
	{Name: "status", Path: "/status", Style: "account"},
}

// File is a file of the page.
type File struct {
	ContentType string
	Body        []byte
	Gzip        []byte // the body, compressed; nil if that does not make it smaller
}

// Site is the page with all its files.
type Site struct {
	version   string
	files     map[string]File               // by path, such as js/now.js
	root      map[string]File               // the files with a fixed address, such as /sw.js
	templates map[string]*template.Template // by language
	policy    string
}

// New returns the page. pictures are URLs whose origins may serve images, such as that of a
// simulated Spotify.
func New(pictures ...string) (*Site, error) {
	b, err := bundle()
	if err != nil {
		return nil, err
	}
	s := *b
	s.policy = policy(pictures)
	return &s, nil
}

// bundle reads and compresses the bundled files once. It returns a Site without a policy,
// whose maps do not change.
var bundle = sync.OnceValues(func() (*Site, error) {
	s := &Site{files: map[string]File{}, root: map[string]File{}, templates: map[string]*template.Template{}}
	hash := sha256.New()
	err := fs.WalkDir(files, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%s %d\n", name, len(body))
		hash.Write(body)
		name = strings.TrimPrefix(name, "page/")
		s.files[name], err = newFile(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the bundled page: %w", err)
	}
	s.version = hex.EncodeToString(hash.Sum(nil)[:8])
	for _, lang := range Languages {
		texts := map[string]string{}
		if err := json.Unmarshal(s.files["text/"+lang+".json"].Body, &texts); err != nil {
			return nil, fmt.Errorf("read the texts in %s: %w", lang, err)
		}
		if s.templates[lang], err = template.New("").Funcs(functions(s.base(), texts)).ParseFS(files, "page/html/*.html"); err != nil {
			return nil, fmt.Errorf("parse the bundled page: %w", err)
		}
	}
	return s, s.addRootFiles()
})

// contentTypes are the media types of the files, by extension.
var contentTypes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".json": "application/json",
	".svg": "image/svg+xml", ".png": "image/png", ".html": "text/html; charset=utf-8", ".webmanifest": "application/manifest+json", "": "text/plain; charset=utf-8",
}

func newFile(name string, body []byte) (File, error) {
	f := File{ContentType: contentTypes[path.Ext(name)], Body: body}
	if f.ContentType == "" {
		return f, fmt.Errorf("%s has an extension without a media type", name)
	}
	var compressed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&compressed, gzip.BestCompression) // only an unknown level is an error
	_, _ = w.Write(body)                                           // a buffer accepts every write
	_ = w.Close()
	if compressed.Len() < len(body)*9/10 {
		f.Gzip = compressed.Bytes()
	}
	return f, nil
}

// addRootFiles adds the files that browsers know by a fixed address.
func (s *Site) addRootFiles() error {
	for address, name := range map[string]string{"/sw.js": "root/sw.js", "/manifest.webmanifest": "root/manifest.webmanifest", "/offline.html": "root/offline.html"} {
		source := s.files[name]
		t, err := texttemplate.New(name).Parse(string(source.Body))
		if err != nil {
			return fmt.Errorf("parse %s: %w", name, err)
		}
		var body bytes.Buffer
		if err := t.Execute(&body, map[string]any{"Base": s.base(), "Version": s.version}); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if s.root[address], err = newFile(name, body.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// AssetPath is the route of the files. Its parameter version is the hash of all files.
const AssetPath = "/assets/:version/*name"

func (s *Site) base() string { return "/assets/" + s.version + "/" }

// Asset returns a file. isCurrent reports whether the version is that of this Site; a
// browser may keep the answer only then. A page of another release may ask for a file.
func (s *Site) Asset(version, name string) (f File, isCurrent, ok bool) {
	name = strings.TrimPrefix(name, "/")
	if dir, _, _ := strings.Cut(name, "/"); dir == "html" || dir == "root" {
		return File{}, false, false
	}
	f, ok = s.files[name]
	return f, version == s.version, ok
}

// RootFiles returns the files with a fixed address, by address.
func (s *Site) RootFiles() map[string]File { return s.root }

// View is what a page shows at first.
type View struct {
	Page Page
	// Handle is that of the user or track of the page; empty if it has none.
	Handle string
	// Name is the nickname of the user of the page in previews of links to it; empty: they
	// name nobody.
	Name string
	// PublicURL is the address at which browsers reach this instance.
	PublicURL string
	// Language is one of Languages.
	Language string
	SignedIn bool
	// SignIn is where the button to sign in leads.
	SignIn string
	// InApp says that the browser is inside another app, where Google signs nobody in.
	InApp bool
	// Message is a message for the viewer; empty without one.
	Message string
	// Closed says that not everybody can join at once: the site asks for an invite, has an
	// allowlist, or the places in Spotify's apps are limited.
	Closed bool
	// Listening is who is listening; nil if it is not known.
	Listening *Listening
	Now       time.Time
}

// Render writes the HTML of a page.
func (s *Site) Render(w io.Writer, v View) error {
	first := map[string]any{"window": nil, "now": v.Now.UTC().Format(time.RFC3339Nano), "signedIn": v.SignedIn}
	data := struct {
		View
		Styles    []string
		Known     bool
		Listening *Listening // not nil
		// IsFew says that the front page has one card at most. Then it asks the viewer to join.
		IsFew bool
		// LeadsToGoogle says that the button to sign in leads to Google, which asks for its mark then.
		LeadsToGoogle bool
		First         any // what JavaScript begins with
	}{View: v, Styles: s.styles(v.Page), Known: v.Listening != nil, Listening: cmp.Or(v.Listening, &Listening{}), First: first}
	if l := v.Listening; l != nil {
		first["window"], first["following"], first["hero"] = l.Window, l.Following, l.Hero
	}
	data.LeadsToGoogle = strings.HasPrefix(v.SignIn, "/v1/songspy/auth/google")
	data.IsFew = v.Page.Path == "/" && len(data.Listening.Window)+len(data.Listening.Following) <= 1
	return s.templates[v.Language].ExecuteTemplate(w, "page.html", data)
}

func (s *Site) styles(p Page) []string {
	list := []string{"css/base.css"}
	if name := "css/" + cmp.Or(p.Style, p.Name) + ".css"; s.files[name].Body != nil {
		list = append(list, name)
	}
	return list
}

// functions are what the templates call. base returns where the files are. t takes a key, and pairs of a placeholder such as
// "{name}" and its value.
func functions(base string, texts map[string]string) template.FuncMap {
	text := func(key string) (string, error) {
		text, ok := texts[key]
		if !ok {
			return "", fmt.Errorf("the text %s is missing", key)
		}
		return text, nil
	}
	return template.FuncMap{
		"base": func() string { return base },
		"t": func(key string, values ...string) (string, error) {
			text, err := text(key)
			return strings.NewReplacer(values...).Replace(text), err
		},
		// sentence returns the pieces of the text about a pair; "{a}" and "{b}" are people.
		"sentence": func(p Pair) ([]string, error) {
			text, err := text(p.Text())
			text = strings.NewReplacer("{n}", strconv.Itoa(p.Seconds), "{artist}", p.Artist, "{a}", "\x00{a}\x00", "{b}", "\x00{b}\x00").Replace(text)
			return strings.Split(text, "\x00"), err
		},
		// noCard and noEntry are what a card shows before a script fills it.
		"noCard":  func() Card { return Card{Entry: emptyEntry{}} },
		"noEntry": func() any { return emptyEntry{} },
		// web returns an address with http or https, else "".
		"web": func(address string) string {
			if u, err := url.Parse(address); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
				return address
			}
			return ""
		},
	}
}

// emptyEntry has the fields of an entry of the contract that a card shows.
type emptyEntry struct {
	Person struct{ Handle, NickName string }
	Track  struct {
		Handle, OriginalUrl, AlbumImageUrl, Title, ArtistName, Kind string //nolint:revive // as in the contract
		Artists                                                     []struct{ Name, Url string }
		Album                                                       *struct{ Name, Url string }
	}
}

// Policy returns the page's Content-Security-Policy. It allows the page's own scripts,
// styles and API, and images from Spotify's hosts and from those of New. Scripts cannot
// write HTML, because no Trusted Types policy makes any.
func (s *Site) Policy() string { return s.policy }

func policy(pictures []string) string {
	images := "img-src 'self' https://*.scdn.co https://*.spotifycdn.com"
	for _, p := range pictures {
		if u, err := url.Parse(p); err == nil && u.Host != "" {
			images += " " + u.Scheme + "://" + u.Host
		}
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; " + images +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types songspy"
}
