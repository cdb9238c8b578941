package httpapi

import (
	"fmt"

	"golang.org/x/text/language"
)

// message is what a person is told, in both languages. A %s takes the detail
// that the fault carries: a field's name, missing scopes.
type message struct{ english, korean string }

// messages by error.code. Every code that the service answers is here.
var messageByCode = map[string]message{
	"INVALID_REQUEST":        {"The request is not valid.", "요청이 올바르지 않습니다."},
	"COMMON_ERROR":           {"Something went wrong on our side. Please try again later.", "서버에 문제가 생겼습니다. 잠시 후 다시 시도해 주세요."},
	"UNAUTHORIZED":           {"Please sign in.", "로그인이 필요합니다."},
	"TOKEN_EXPIRED":          {"The token has expired. Get a new one with the refresh token.", "토큰이 만료되었습니다. 리프레시 토큰으로 새 토큰을 받아 주세요."},
	"SESSION_ENDED":          {"The session has ended. Please sign in again.", "세션이 종료되었습니다. 다시 로그인해 주세요."},
	"FORBIDDEN":              {"This is not yours to do.", "권한이 없습니다."},
	"NOT_FOUND":              {"There is nothing here.", "찾을 수 없습니다."},
	"METHOD_NOT_ALLOWED":     {"This address does not know that method.", "이 주소에서는 쓸 수 없는 메서드입니다."},
	"CONFLICT":               {"It collides with something that is already there.", "이미 있는 것과 충돌합니다."},
	"GONE":                   {"It was here and is gone.", "더 이상 존재하지 않습니다."},
	"UNPROCESSABLE":          {"The request is well formed but cannot be used.", "요청을 처리할 수 없습니다."},
	"BODY_TOO_LARGE":         {"The body is larger than 64 KiB.", "요청 본문이 64 KiB를 넘습니다."},
	"HEADERS_TOO_LARGE":      {"The header fields are larger than 16 KiB.", "요청 헤더가 16 KiB를 넘습니다."},
	"UNSUPPORTED_MEDIA_TYPE": {"The body must be application/json in UTF-8.", "요청 본문은 UTF-8로 된 application/json이어야 합니다."},
	"RATE_LIMITED":           {"Too many attempts. Please wait a moment.", "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요."},
	"UNAVAILABLE":            {"The service cannot answer at the moment. Please try again shortly.", "지금은 응답할 수 없습니다. 잠시 후 다시 시도해 주세요."},

	"GOOGLE_TOKEN_INVALID":  {"Google does not accept this token. Please sign in again.", "Google이 이 토큰을 인정하지 않습니다. 다시 로그인해 주세요."},
	"GOOGLE_TOKEN_FOREIGN":  {"This Google token was issued to another application.", "다른 앱에 발급된 Google 토큰입니다."},
	"GOOGLE_UNAVAILABLE":    {"Google does not answer at the moment. Please try again shortly.", "Google이 응답하지 않습니다. 잠시 후 다시 시도해 주세요."},
	"REFRESH_TOKEN_INVALID": {"The refresh token is not valid. Please sign in again.", "리프레시 토큰이 올바르지 않습니다. 다시 로그인해 주세요."},
	"REFRESH_TOKEN_REUSED":  {"The refresh token was used before, so the session was ended. Please sign in again.", "이미 사용된 리프레시 토큰이어서 세션을 종료했습니다. 다시 로그인해 주세요."},
	"INVITE_REQUIRED":       {"Signing up here needs an invite. Please ask the operator for one.", "가입하려면 초대 코드가 필요합니다. 운영자에게 요청해 주세요."},
	"INVITE_INVALID":        {"This invite is not valid, or not any more. Please check it or ask for another.", "올바르지 않거나 더 이상 쓸 수 없는 초대 코드입니다. 코드를 확인하거나 새로 요청해 주세요."},
	"SIGN_UP_CLOSED":        {"Signing up here is only for people whom the operator has listed. Please ask them.", "운영자가 등록한 사람만 가입할 수 있습니다. 운영자에게 문의해 주세요."},

	"SPOTIFY_CODE_INVALID":     {"Spotify does not accept this code. Please link again.", "Spotify가 이 코드를 인정하지 않습니다. 다시 연결해 주세요."},
	"SPOTIFY_APP_REFUSED":      {"Spotify refuses this service's app. The operator has to correct its client id or secret; please tell them.", "Spotify가 이 서비스의 앱을 거부했습니다. 운영자가 클라이언트 ID나 시크릿을 바로잡아야 하니 알려 주세요."},
	"SPOTIFY_LINKED_ELSEWHERE": {"This Spotify account is linked to somebody else. Link again with \"move\" to take it over.", "다른 사용자에게 연결된 Spotify 계정입니다. 옮기려면 \"move\"와 함께 다시 연결해 주세요."},
	"SPOTIFY_NO_SEAT":          {"Every Spotify app of this service is full at the moment. Ask for a seat to be put in line.", "지금은 이 서비스의 Spotify 앱에 빈자리가 없습니다. 자리를 신청하고 기다려 주세요."},
	"SPOTIFY_OWN_APP_REFUSED":  {"Spotify does not know this app, or it needs a secret. Check its client id.", "Spotify가 이 앱을 모르거나 앱에 시크릿이 필요합니다. 클라이언트 ID를 확인해 주세요."},
	"SPOTIFY_OWN_APPS_OFF":     {"This service takes no Spotify apps that people bring.", "이 서비스에서는 직접 만든 Spotify 앱을 쓸 수 없습니다."},
	"SPOTIFY_SEAT_NOT_ASKED":   {"No seat was asked for.", "신청한 자리가 없습니다."},
	"SPOTIFY_SEAT_NOT_NEEDED":  {"Nobody needs a seat here. Please link right away.", "자리를 신청할 필요가 없습니다. 바로 연결해 주세요."},
	"SPOTIFY_SCOPES_MISSING":   {"Spotify was not allowed all that is needed. Missing: %s.", "필요한 Spotify 권한이 빠졌습니다: %s"},
	"SPOTIFY_UNAVAILABLE":      {"Spotify cannot be asked at the moment. Please link again later.", "지금은 Spotify에 연결할 수 없습니다. 잠시 후 다시 시도해 주세요."},
	"SPOTIFY_NOT_LINKED":       {"No Spotify account is linked.", "연결된 Spotify 계정이 없습니다."},
	"SPOTIFY_NOT_REGISTERED":   {"This Spotify account has to be registered with the app by its owner first. Ask for a seat with its e-mail address. Once it is registered, try again; you need not sign in to Spotify again.", "앱 관리자가 먼저 이 Spotify 계정을 등록해야 합니다. Spotify 이메일 주소로 자리를 신청해 주세요. 등록된 뒤에는 Spotify에 다시 로그인하지 않고 다시 시도하면 됩니다."},
	"NICKNAME_INVALID":         {"A nickname has 1 to 30 characters.", "닉네임은 1자 이상 30자 이하여야 합니다."},
}

// notKept stands in for SPOTIFY_NOT_REGISTERED where the grant was not kept.
var notKept = message{"This Spotify account has to be registered with the app by its owner first. Nothing has changed here. Ask for a seat with its e-mail address. Once it is registered, link it again.", "앱 관리자가 먼저 이 Spotify 계정을 등록해야 합니다. 바뀐 것은 없습니다. Spotify 이메일 주소로 자리를 신청해 주세요. 등록된 뒤에 다시 연결해 주세요."}

// fields are the fields at fault of codes that are about one.
var fieldByCode = map[string]string{
	"NICKNAME_INVALID": "nickName", "INVITE_REQUIRED": "invite", "INVITE_INVALID": "invite", "SPOTIFY_CODE_INVALID": "code",
	"GOOGLE_TOKEN_INVALID": "accessToken", "GOOGLE_TOKEN_FOREIGN": "accessToken",
	"REFRESH_TOKEN_INVALID": "refreshToken", "REFRESH_TOKEN_REUSED": "refreshToken",
}

// problem is what is wrong with one field of a request.
type fieldProblem int

const (
	problemMissing fieldProblem = iota
	problemUnknownField
	problemWrongType
	problemTooLong
	problemTooShort
	problemUnknownValue
	problemInvalidJSON
	problemOther
)

// problems name the field by %s.
var problemMessages = map[fieldProblem]message{
	problemMissing:      {"The field %s is missing.", "%s 값이 없습니다."},
	problemUnknownField: {"The field %s is not known here.", "%s 필드는 쓸 수 없습니다."},
	problemWrongType:    {"The field %s has the wrong type.", "%s 값의 형식이 올바르지 않습니다."},
	problemTooLong:      {"The field %s is too long.", "%s 값이 너무 깁니다."},
	problemTooShort:     {"The field %s is too short.", "%s 값이 너무 짧습니다."},
	problemUnknownValue: {"The field %s has a value that is not known here.", "%s 값을 알 수 없습니다."},
	problemInvalidJSON:  {"The %s of the request is not valid JSON.", "요청 %s가 올바른 JSON이 아닙니다."},
	problemOther:        {"The field %s is not valid.", "%s 값이 올바르지 않습니다."},
}

// fieldFault is a fault of one field.
type fieldError struct {
	name    string
	problem fieldProblem
}

// Field names the field at fault.
func (f fieldError) Field() string { return f.name }

// Error implements the error interface, for the log.
func (f fieldError) Error() string { return fmt.Sprintf(problemMessages[f.problem].english, f.name) }

var languageMatcher = language.NewMatcher([]language.Tag{language.English, language.Korean})

// in gives the message in the language that the header Accept-Language
// prefers: Korean, or else English.
func (m message) forLanguage(acceptLanguage string) string {
	if acceptLanguage != "" {
		preferred, _, err := language.ParseAcceptLanguage(acceptLanguage)
		if _, index, _ := languageMatcher.Match(preferred...); err == nil && index == 1 {
			return m.korean
		}
	}
	return m.english
}
