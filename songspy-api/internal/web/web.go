// Package web holds the bundled page: a small website that shows the live board and the
// viewer's account. Its scripts read the public API, and show the answers as text only. There
// is no build step: the browser loads the scripts and style sheets of the folder page unchanged.
//
// The address of a file contains a hash of all files: /assets/HASH/js/now.js. So a browser may
// cache a file forever: a changed file has another address. Scripts import each other by relative
// paths, so they always load files of the same release.
//
// The front page shows one listening user in large type: the hero. Each other user has a card,
// in the list of followed users or in the window (the list of other listeners). Two users who
// play the same track, or tracks of the same artist, are a pair.
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

// Page is one page of the website. Its files are named after the field Name, here written NAME:
// js/NAME.js is the script. Most pages also have a style sheet, css/NAME.css, and content that shows
// before the script runs, html/NAME.html. If that content is a long text, each language has its own
// file instead, such as html/NAME.en.html.
type Page struct {
	Name string
	// Path is its route in the syntax of Gin.
	Path string
	// Style, if set, replaces Name in the name of the style sheet, because several pages share
	// that sheet: css/STYLE.css.
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
	Gzip        []byte // the body, compressed; nil if that saves 10 % or less
}

// Site is the website: its files and its templates, ready to be served.
type Site struct {
	version   string
	files     map[string]File               // by path, such as js/now.js
	root      map[string]File               // the files with a fixed address, such as /sw.js
	templates map[string]*template.Template // by language
	policy    string                        // the Content-Security-Policy of the pages
}

// New returns the site. pictures are addresses, such as that of a simulated Spotify. The
// Content-Security-Policy allows images from the origins of these addresses, in addition to those
// from Spotify's hosts.
func New(pictures ...string) (*Site, error) {
	b, err := bundle()
	if err != nil {
		return nil, err
	}
	s := *b
	s.policy = policy(pictures)
	return &s, nil
}

// bundle reads and compresses the bundled files once. It returns a Site without a policy. All
// Sites share its maps; do not change them.
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

// addRootFiles adds the files that browsers expect at a fixed address. These files are
// templates: it fills in the path of the other files, and the version.
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

// Asset returns the file with the name for any version, because a page of another release may
// ask for it. isCurrent reports whether the version is that of this Site; only then may a browser
// keep the answer. ok is false if there is no such file, and for the files that are not served
// under /assets: the HTML of the pages (html/), and the files with a fixed address (root/).
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

// View is what a page shows before its script runs.
type View struct {
	Page Page
	// Handle is the handle (public id) of the user or track that the page shows. It is empty on
	// other pages.
	Handle string
	// Name is the nickname of the user that the page shows. Only previews of links to the page
	// use it. If it is empty, they have the title of the site.
	Name string
	// PublicURL is the address at which browsers reach this instance.
	PublicURL string
	// Language is one of Languages.
	Language string
	SignedIn bool
	// IsLinked reports whether the viewer has linked Spotify. It is set only for the front
	// page without listeners.
	IsLinked bool
	// SignIn is the address to which the button to sign in leads.
	SignIn string
	// InApp reports whether the browser is an in-app browser, in which Google signs nobody in.
	InApp bool
	// Message tells the viewer what has failed. It is empty if nothing has failed.
	Message string
	// Closed reports whether some users cannot join at once: they need an invite, an entry in
	// the allowlist, or a seat in a Spotify app.
	Closed bool
	// Listening is what the front page shows. It is nil on other pages, and if it could not be
	// read.
	Listening *Listening
	Now       time.Time
}

// Render writes the HTML of a page.
func (s *Site) Render(w io.Writer, v View) error {
	first := map[string]any{"window": nil, "now": v.Now.UTC().Format(time.RFC3339Nano), "signedIn": v.SignedIn, "linked": v.IsLinked}
	data := struct {
		View
		Styles    []string
		Known     bool
		Listening *Listening // not nil
		// IsFew reports whether this is the front page, with one listening user at most, or with
		// users that could not be read. Then it asks the viewer to join at the top, and not again
		// at the end.
		IsFew bool
		// LeadsToGoogle reports whether the button to sign in leads to Google at once. Google requires
		// its logo on such a button.
		LeadsToGoogle bool
		First         any // the data with which the scripts begin, as JSON in the HTML
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

// functions returns the functions that the templates call. The template function "base" returns the
// path of the bundled files. The template function "t" returns the text with the key. Its values are
// pairs of a placeholder, such as "{name}", and what replaces the placeholder.
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
		// sentence returns the text about a pair in pieces: "{a}" and "{b}", for which the template
		// writes links to the users, and the words between them.
		"sentence": func(p Pair) ([]string, error) {
			text, err := text(p.Text())
			text = strings.NewReplacer("{n}", strconv.Itoa(p.Seconds), "{artist}", p.Artist, "{a}", "\x00{a}\x00", "{b}", "\x00{b}\x00").Replace(text)
			return strings.Split(text, "\x00"), err
		},
		// noCard and noEntry return empty values, for the HTML of a card that a script fills later.
		"noCard":  func() Card { return Card{Entry: emptyEntry{}} },
		"noEntry": func() any { return emptyEntry{} },
		// web returns the address if it has the scheme http or https, else "".
		"web": func(address string) string {
			if u, err := url.Parse(address); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
				return address
			}
			return ""
		},
	}
}

// emptyEntry is an entry without values. Its fields are those of an entry of the contract that
// the templates use.
type emptyEntry struct {
	Person struct{ Handle, NickName string }
	Track  struct {
		Handle, OriginalUrl, AlbumImageUrl, Title, ArtistName, Kind string //nolint:revive // as in the contract
		Artists                                                     []struct{ Name, Url string }
		Album                                                       *struct{ Name, Url string }
	}
}

// Policy returns the page's Content-Security-Policy. It allows scripts, styles, images and requests
// of this origin, and images from Spotify's hosts and from the origins given to New. Scripts cannot
// write HTML: the only Trusted Types policy that they may create is "songspy" in js/router.js, which
// creates the address of the service worker and no HTML.
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
