"""The demo's customers are invented people in eleven languages and eight scripts, at addresses that cannot exist."""

from dataclasses import dataclass
from itertools import cycle, islice

FIRST_NUMBER = 10001
# RFC 2606 and RFC 6761 reserve these: no real mail server answers for them.
_DOMAINS = ("mail.example", "post.example.com", "inbox.example.org", "customers.test")


@dataclass(frozen=True, slots=True)
class Language:
    """What an email says in one language, and people's names in it. `{name}` is the customer's."""

    code: str
    direction: str
    subject: str
    greeting: str
    sentence: str
    file_name: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    family_first: bool = False
    between: str = " "

    def name(self, number: int) -> str:
        """The `number`th name. All pairs come before any is repeated."""
        given = self.given[number % len(self.given)]
        family = self.family[(number + number // len(self.given)) % len(self.family)]
        return f"{family}{self.between}{given}" if self.family_first else f"{given}{self.between}{family}"


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer of the demo's bank. `number` is what the PDF shows. The rest is the email's."""

    number: int
    name: str
    address: str
    language: Language

    @property
    def subject(self) -> str:
        """The email's subject in the customer's language."""
        return f"{self.language.subject} {self.number}"

    @property
    def greeting(self) -> str:
        """The first line of the email."""
        return self.language.greeting.format(name=self.name)

    @property
    def file_name(self) -> str:
        """The attachment's name as the customer sees it."""
        return f"{self.language.file_name}-{self.number}.pdf"


LANGUAGES = (
    Language(
        "de",
        "ltr",
        "Ihr Kontoauszug für Dezember, Kundennummer",
        "Guten Tag {name},",
        "Ihr Kontoauszug liegt dieser Nachricht bei.",
        "Kontoauszug für Dezember",
        ("Jürgen", "Änne", "Götz", "Käthe", "Björn", "Zoë"),
        ("Müller", "Weiß & Söhne", "Böhm-Großmann", "O'Brien", "Kühn", "Schäfer"),
    ),
    Language(
        "fr",
        "ltr",
        "Votre relevé de décembre, n° de client",
        "Bonjour {name},",
        "Vous trouverez votre relevé de compte en pièce jointe.",
        "Relevé de décembre",
        ("Hélène", "François", "Zoé", "Benoît", "Anaïs", "Loïc"),
        ("Lefèvre", "D'Angélys", "Garçon", "Noël", "Mañé", "Bœuf"),
    ),
    Language(
        "pl",
        "ltr",
        "Wyciąg za grudzień, numer klienta",
        "Dzień dobry, {name}!",
        "W załączniku przesyłamy wyciąg z rachunku.",
        "Wyciąg za grudzień",
        ("Łukasz", "Małgorzata", "Żaneta", "Stanisław", "Bożena", "Grażyna"),
        ("Wiśniewski", "Dąbrowska", "Źrebiec", "Świątek", "Kłos", "Jabłoński"),
    ),
    Language(
        "vi",
        "ltr",
        "Sao kê tài khoản tháng 12, mã khách hàng",
        "Kính gửi {name},",
        "Sao kê tài khoản của quý khách được đính kèm.",
        "Sao kê tháng 12",
        ("Thị Hằng", "Văn Đức", "Thị Mỹ", "Quốc Bảo", "Thị Ngọc", "Hữu Phước"),
        ("Nguyễn", "Trần", "Lê", "Phạm", "Đặng", "Bùi"),
        family_first=True,
    ),
    Language(
        "el",
        "ltr",
        "Η κίνηση του λογαριασμού σας για τον Δεκέμβριο, αριθμός πελάτη",
        "Αγαπητέ πελάτη {name},",
        "Σας επισυνάπτουμε την κίνηση του λογαριασμού σας.",
        "Κίνηση λογαριασμού",
        ("Γιώργος", "Ελένη", "Δημήτρης", "Αικατερίνη", "Ιωάννης", "Σοφία"),
        ("Παπαδόπουλος", "Νικολάου", "Γεωργίου", "Οικονόμου", "Αθανασίου", "Βλάχος"),
    ),
    Language(
        "uk",
        "ltr",
        "Виписка з рахунку за грудень, номер клієнта",
        "Вітаємо, {name}!",
        "Виписка з вашого рахунку в додатку до листа.",
        "Виписка за грудень",
        ("Олександр", "Ірина", "Юрій", "Наталія", "Євген", "Ганна"),
        ("Шевченко", "Коваленко", "Бондаренко", "Ткачук", "Олійник", "Мельник"),
    ),
    Language(
        "ar",
        "rtl",
        "كشف حسابك لشهر ديسمبر، رقم العميل",
        "مرحبًا {name}،",
        "تجد كشف حسابك مرفقًا بهذه الرسالة.",
        "كشف الحساب",
        ("محمد", "فاطمة", "أحمد", "ليلى", "يوسف", "مريم"),
        ("الخطيب", "حداد", "النجار", "العلي", "منصور", "صالح"),
    ),
    Language(
        "he",
        "rtl",
        "דף החשבון שלך לחודש דצמבר, מספר לקוח",
        "שלום {name},",
        "דף החשבון שלך מצורף להודעה זו.",
        "דף חשבון",
        ("דוד", "שרה", "יוסף", "רחל", "משה", "נעמי"),
        ("כהן", "לוי", "מזרחי", "פרץ", "ביטון", "אברהם"),
    ),
    Language(
        "zh",
        "ltr",
        "您的十二月账单，客户号",
        "尊敬的{name}：",
        "您的对账单已随信附上。",
        "十二月账单",
        ("伟", "芳", "秀英", "娜", "建国", "静"),
        ("王", "李", "张", "欧阳", "陈", "司马"),
        family_first=True,
        between="",
    ),
    Language(
        "ja",
        "ltr",
        "12月分のご利用明細、お客様番号",
        "{name} 様",
        "ご利用明細を添付ファイルにてお送りいたします。",
        "ご利用明細",
        ("さくら", "健太", "ユキ", "翔", "花子", "大輔"),
        ("佐藤", "鈴木", "髙橋", "渡邊", "伊藤", "山本"),
        family_first=True,
    ),
    Language(
        "hi",
        "ltr",
        "दिसंबर का आपका खाता विवरण, ग्राहक संख्या",
        "प्रिय {name},",
        "आपका खाता विवरण इस संदेश के साथ संलग्न है।",
        "खाता विवरण",
        ("प्रिया", "राहुल", "अंजलि", "विक्रम", "दीपिका", "अर्जुन"),
        ("शर्मा", "वर्मा", "गुप्ता", "सिंह", "मिश्रा", "जोशी"),
    ),
)


def customers(count: int) -> list[Customer]:
    """`count` customers, the languages in turn."""
    turns = islice(zip(cycle(LANGUAGES), cycle(_DOMAINS), strict=False), count)
    return [
        Customer(
            FIRST_NUMBER + n,
            language.name(n // len(LANGUAGES)),
            f"customer-{FIRST_NUMBER + n}@{domain}",
            language,
        )
        for n, (language, domain) in enumerate(turns)
    ]
