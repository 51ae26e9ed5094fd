using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Preconf.Native.Crypto;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>The native library this process has loaded.</summary>
public sealed record NativeLibraryFile
{
    /// <summary>Where the build took it from, relative to the checkout; else where it was loaded from.</summary>
    public required string Path { get; init; }

    /// <summary><c>asset</c> (committed), <c>local build</c>, or <c>unknown</c>.</summary>
    public required string Origin { get; init; }

    /// <summary>Bytes.</summary>
    public required long Size { get; init; }

    public required string Sha256 { get; init; }

    /// <summary>Whether it has no symbol table; null for files that are not ELF of 64 bits.</summary>
    public bool? Stripped { get; init; }

    /// <summary>Finds it.</summary>
    /// <exception cref="InvalidOperationException">None is loaded.</exception>
    internal static NativeLibraryFile Find()
    {
        // A call loads it.
        Keccak256.Hash([]);
        using Process self = Process.GetCurrentProcess();
        string loaded = self.Modules.Cast<ProcessModule>().FirstOrDefault(module => module.ModuleName.Contains("preconf_native", StringComparison.Ordinal))?.FileName
            ?? throw new InvalidOperationException("the native library is not loaded");
        byte[] bytes = File.ReadAllBytes(loaded);
        string sha = Convert.ToHexStringLower(SHA256.HashData(bytes));
        string? source = Source(sha);
        string path = source ?? loaded;
        return new NativeLibraryFile
        {
            Path = Context.Root is { } root && path.StartsWith(root, StringComparison.Ordinal) ? System.IO.Path.GetRelativePath(root, path) : System.IO.Path.GetFileName(path),
            Origin = source is null ? "unknown" : source.Contains(System.IO.Path.Combine("build", "assets"), StringComparison.Ordinal) ? "asset" : "local build",
            Size = bytes.LongLength,
            Sha256 = sha,
            Stripped = IsStripped(bytes),
        };
    }

    /// <summary>The line above a table.</summary>
    internal string Line() => string.Create(
        CultureInfo.InvariantCulture,
        $"native library: {Path} ({Origin}), {Size} bytes, {(Stripped switch { true => "stripped", false => "NOT stripped", null => "stripped or not" })}, sha256 {Sha256}");

    /// <summary>Its size as a figure.</summary>
    internal Result Result() => new() { Side = Report.Result.DotNet, Scenario = "native library", Value = Size / 1e6, Unit = "MB", Count = 1, Bytes = Size };

    /// <summary>The file the build copied it from, when that is still the same.</summary>
    private static string? Source(string sha)
    {
        string items = System.IO.Path.Combine(Context.Root ?? string.Empty, "target", "native", "items.txt");
        string? source = File.Exists(items) ? File.ReadLines(items).Select(line => line.Split('|')).FirstOrDefault(parts => parts is [_, _, "copy"])?[1] : null;
        return source is not null && File.Exists(source) && Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(source))) == sha ? source : null;
    }

    /// <summary>Looks for a symbol table among the sections of a 64-bit little-endian ELF file.</summary>
    private static bool? IsStripped(ReadOnlySpan<byte> file)
    {
        const int SymbolTable = 2;
        if (file.Length < 64 || !file.StartsWith("\x7f"u8) || !file[1..4].SequenceEqual("ELF"u8) || file[4] != 2 || file[5] != 1)
        {
            return null;
        }

        long at = BinaryPrimitives.ReadInt64LittleEndian(file[40..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(file[58..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(file[60..]);
        for (int i = 0; i < count; i++)
        {
            if (BinaryPrimitives.ReadInt32LittleEndian(file[(int)(at + (i * size) + 4)..]) == SymbolTable)
            {
                return false;
            }
        }

        return true;
    }
}
