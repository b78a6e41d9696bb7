/// Prices of common models, so that a fresh gateway knows what things cost.
///
/// Source: the providers' list prices as LiteLLM's model_prices_and_context_window.json (MIT licence) collects them, taken
/// on 2026-11-21, without prices of batches. `scripts/default-prices` writes this file.
public enum DefaultPrices {
    /// When the prices were looked up.
    public static let date = "2026-11-21"

    public static var entries: [PriceFile.Entry] {
        do { return try PriceTable.read(table) } catch { preconditionFailure("\(error)") }
    }

    static let table = """
        openai
          gpt-6-astra  input 10  output 50  cached_input 1  cache_write 12.5  search 0.01  file_search 0.0025  limits 922000/128000
            flex  input 5  output 25  cached_input 0.5  cache_write 6.25
            priority  input 20  output 100  cached_input 2  cache_write 25
            ultrafast  input 60  output 300  cached_input 6  cache_write 75
            above 272000  input 20  output 75  cached_input 2  cache_write 25
            flex above 272000  output 37.5
            priority above 272000  input 40  output 150  cached_input 4  cache_write 50
            ultrafast above 272000  input 120  output 450  cached_input 12  cache_write 150
          gpt-6-luna  input 0.1  output 0.5  cached_input 0.01  cache_write 0.125  search 0.01  file_search 0.0025  limits 922000/128000
            flex  input 0.05  output 0.25  cached_input 0.005  cache_write 0.0625
            priority  input 0.2  output 1  cached_input 0.02  cache_write 0.25
            decisions  output 0  cached_input 0.1  cache_write 0.1
            above 272000  input 0.2  output 0.75  cached_input 0.02  cache_write 0.25
            flex above 272000  output 0.375
            priority above 272000  input 0.4  output 1.5  cached_input 0.04  cache_write 0.5
            decisions above 272000  input 0.2  output 0  cached_input 0.2  cache_write 0.2
          gpt-6-sol  input 2  output 10  cached_input 0.2  cache_write 2.5  search 0.01  file_search 0.0025  limits 922000/128000
            flex  input 1  output 5  cached_input 0.1  cache_write 1.25
            priority  input 4  output 20  cached_input 0.4  cache_write 5
            above 272000  input 4  output 15  cached_input 0.4  cache_write 5
            flex above 272000  output 7.5
            priority above 272000  input 8  output 30  cached_input 0.8  cache_write 10
          gpt-5.6  input 4  output 20  cached_input 0.4  cache_write 5  search 0.01  file_search 0.0025  limits 922000/128000
            flex  input 2  output 10  cached_input 0.2  cache_write 2.5
            priority  input 8  output 40  cached_input 0.8  cache_write 10
            above 272000  input 8  output 30  cached_input 0.8  cache_write 10
            flex above 272000  output 15
            priority above 272000  input 16  output 60  cached_input 1.6  cache_write 20
          gpt-5.6-luna  input 0.2  output 1.2  cached_input 0.02  cache_write 0.25  search 0.01  file_search 0.0025  limits 922000/128000
            flex  input 0.1  output 0.6  cached_input 0.01  cache_write 0.125
            priority  input 0.4  output 2.4  cached_input 0.04  cache_write 0.5
            above 272000  input 0.4  output 1.8  cached_input 0.04  cache_write 0.5
            flex above 272000  output 0.9
            priority above 272000  input 0.8  output 3.6  cached_input 0.08  cache_write 1
          gpt-5.6-sol  input 4  output 20  cached_input 0.4  cache_write 5  search 0.01  file_search 0.0025  limits 922000/128000
            flex  input 2  output 10  cached_input 0.2  cache_write 2.5
            priority  input 8  output 40  cached_input 0.8  cache_write 10
            above 272000  input 8  output 30  cached_input 0.8  cache_write 10
            flex above 272000  output 15
            priority above 272000  input 16  output 60  cached_input 1.6  cache_write 20
          gpt-5.6-terra  input 2  output 12  cached_input 0.2  cache_write 2.5  search 0.01  file_search 0.0025  limits 922000/128000
            flex  input 1  output 6  cached_input 0.1  cache_write 1.25
            priority  input 4  output 24  cached_input 0.4  cache_write 5
            above 272000  input 4  output 18  cached_input 0.4  cache_write 5
            flex above 272000  output 9
            priority above 272000  input 8  output 36  cached_input 0.8  cache_write 10
          gpt-5.5, gpt-5.5-2026-04-23  input 5  output 30  cached_input 0.5  search 0.01  file_search 0.0025  limits 1050000/128000
            flex  input 2.5  output 15  cached_input 0.25
            priority  input 12.5  output 75  cached_input 1.25
            above 272000  input 10  output 45  cached_input 1
            flex above 272000  output 22.5
          gpt-5.5-pro, gpt-5.5-pro-2026-04-23  mode responses  input 30  output 180  search 0.01  file_search 0.0025  limits 1050000/128000
            flex  input 15  output 90
            above 272000  input 60  output 270
          gpt-5.4, gpt-5.4-2026-03-05  input 2.5  output 15  cached_input 0.25  file_search 0.0025  limits 1050000/128000
            flex  input 1.25  output 7.5  cached_input 0.13
            priority  input 5  output 30  cached_input 0.5
            above 272000  input 5  output 22.5  cached_input 0.5
            flex above 272000  output 11.25
          gpt-5.4-mini, gpt-5.4-mini-2026-03-17  input 0.75  output 4.5  cached_input 0.075  search 0.01  file_search 0.0025  limits 272000/128000
            flex  input 0.375  output 2.25  cached_input 0.0375
            priority  input 1.5  output 9  cached_input 0.15
          gpt-5.4-nano, gpt-5.4-nano-2026-03-17  input 0.2  output 1.25  cached_input 0.02  search 0.01  file_search 0.0025  limits 272000/128000
            flex  input 0.1  output 0.625  cached_input 0.01
          gpt-5.4-pro, gpt-5.4-pro-2026-03-05  mode responses  input 30  output 180  search 0.01  file_search 0.0025  limits 1050000/128000
            flex  input 15  output 90
            above 272000  input 60  output 270
            flex above 272000  output 135
          gpt-5.2, gpt-5.2-2025-12-11  input 1.75  output 14  cached_input 0.175  search 0.01  file_search 0.0025  limits 272000/128000
            flex  input 0.875  output 7  cached_input 0.0875
            priority  input 3.5  output 28  cached_input 0.35
          gpt-5.2-pro, gpt-5.2-pro-2025-12-11  mode responses  input 21  output 168  search 0.01  file_search 0.0025  limits 272000/128000
          gpt-5.1, gpt-5.1-2025-11-13, gpt-5, gpt-5-2025-08-07  input 1.25  output 10  cached_input 0.125  search 0.01  file_search 0.0025  limits 272000/128000
            flex  input 0.625  output 5  cached_input 0.0625
            priority  input 2.5  output 20  cached_input 0.25
          gpt-5-mini, gpt-5-mini-2025-08-07  input 0.25  output 2  cached_input 0.025  search 0.01  file_search 0.0025  limits 272000/128000
            flex  input 0.125  output 1  cached_input 0.0125
            priority  input 0.45  output 3.6  cached_input 0.045
          gpt-5-nano, gpt-5-nano-2025-08-07  input 0.05  output 0.4  cached_input 0.005  search 0.01  file_search 0.0025  limits 272000/128000
            flex  input 0.025  output 0.2  cached_input 0.0025
            priority  input 2.5
          gpt-5-pro, gpt-5-pro-2025-10-06  mode responses  input 15  output 120  search 0.01  file_search 0.0025  limits 400000/272000
          gpt-5-codex  mode responses  input 1.25  output 10  cached_input 0.125  file_search 0.0025  limits 272000/128000
          gpt-5.1-codex  mode responses  input 1.25  output 10  cached_input 0.125  file_search 0.0025  limits 400000/128000
          gpt-5.1-codex-mini  mode responses  input 0.25  output 2  cached_input 0.025  file_search 0.0025  limits 400000/128000
          gpt-5.1-codex-max  mode responses  input 1.25  output 10  cached_input 0.125  file_search 0.0025  limits 400000/128000
          gpt-5.2-codex  mode responses  input 1.75  output 14  cached_input 0.175  file_search 0.0025  limits 272000/128000
          gpt-5.3-codex  mode responses  input 1.75  output 14  cached_input 0.175  search 0.01  file_search 0.0025  limits 272000/128000
            priority  input 3.5  output 28  cached_input 0.35
          gpt-4.1, gpt-4.1-2025-04-14  input 2  output 8  cached_input 0.5  search 0.025  file_search 0.0025  limits 1047576/32768
            priority  input 3.5  output 14  cached_input 0.875
          gpt-4.1-mini, gpt-4.1-mini-2025-04-14  input 0.4  output 1.6  cached_input 0.1  search 0.025  file_search 0.0025  limits 1047576/32768
            priority  input 0.7  output 2.8  cached_input 0.175
          gpt-4.1-nano, gpt-4.1-nano-2025-04-14  input 0.1  output 0.4  cached_input 0.025  file_search 0.0025  limits 1047576/32768
            priority  input 0.2  output 0.8  cached_input 0.05
          gpt-4o  input 2.5  output 10  cached_input 1.25  file_search 0.0025  limits 128000/16384
            priority  input 4.25  output 17  cached_input 2.125
          gpt-4o-2024-05-13  input 5  output 15  file_search 0.0025  limits 128000/4096
            priority  input 8.75  output 26.25
          gpt-4o-2024-08-06, gpt-4o-2024-11-20  input 2.5  output 10  cached_input 1.25  file_search 0.0025  limits 128000/16384
            priority  input 4.25  output 17  cached_input 2.125
          gpt-4o-mini, gpt-4o-mini-2024-07-18  input 0.15  output 0.6  cached_input 0.075  search 0.025  file_search 0.0025  limits 128000/16384
            priority  input 0.25  output 1  cached_input 0.125
          gpt-4o-search-preview, gpt-4o-search-preview-2025-03-11  input 2.5  output 10  cached_input 1.25  search 0.025  file_search 0.0025  limits 128000/16384
          gpt-4o-mini-search-preview, gpt-4o-mini-search-preview-2025-03-11  input 0.15  output 0.6  cached_input 0.075  search 0.025  file_search 0.0025  limits 128000/16384
          gpt-5-search-api, gpt-5-search-api-2025-10-14  input 1.25  output 10  cached_input 0.125  search 0.01  file_search 0.0025  limits 272000/128000
          gpt-4-turbo, gpt-4-turbo-2024-04-09  input 10  output 30  file_search 0.0025  limits 128000/4096
          gpt-4  input 30  output 60  file_search 0.0025  limits 8192/4096
          gpt-3.5-turbo  input 0.5  output 1.5  file_search 0.0025  limits 16385/4096
          o1, o1-2024-12-17  input 15  output 60  cached_input 7.5  file_search 0.0025  limits 200000/100000
          o3, o3-2025-04-16  input 2  output 8  cached_input 0.5  search 0.01  file_search 0.0025  limits 200000/100000
            flex  input 1  output 4  cached_input 0.25
            priority  input 3.5  output 14  cached_input 0.875
          o3-mini, o3-mini-2025-01-31  input 1.1  output 4.4  cached_input 0.55  file_search 0.0025  limits 200000/100000
          o3-pro, o3-pro-2025-06-10  mode responses  input 20  output 80  search 0.01  file_search 0.0025  limits 200000/100000
          o4-mini, o4-mini-2025-04-16  input 1.1  output 4.4  cached_input 0.275  search 0.01  file_search 0.0025  limits 200000/100000
            flex  input 0.55  output 2.2  cached_input 0.138
            priority  input 2  output 8  cached_input 0.5
          gpt-4o-transcribe  mode audio_transcription  input 2.5  output 10  input_audio 2.5  limits 16000/2000
          gpt-4o-mini-transcribe  mode audio_transcription  input 1.25  output 5  input_audio 1.25  limits 16000/2000
          whisper-1  mode audio_transcription  second 0.0001
          tts-1  mode audio_speech  character 0.000015
          tts-1-hd  mode audio_speech  character 0.00003
          gpt-image-1  mode image_generation  input 5  output 40  cached_input 1.25  input_image 10  output_image 40
          gpt-image-1-mini  mode image_generation  input 2  output 8  cached_input 0.2  input_image 2.5  output_image 8
          gpt-image-2  mode image_generation  input 5  output 30  cached_input 1.25  input_image 8  output_image 30
          text-embedding-3-small  mode embedding  input 0.02  output 0  limits 8191/-
          text-embedding-3-large  mode embedding  input 0.13  output 0  limits 8191/-
          text-embedding-ada-002  mode embedding  input 0.1  output 0  limits 8191/-

        anthropic
          claude-opus-5-5  input 4  output 20  cached_input 0.2  cache_write 5  cache_write_1h 8  search 0.01  regional 1.1  fast 2  limits 1000000/128000
          claude-opus-5, claude-opus-4-8  input 5  output 25  cached_input 0.5  cache_write 6.25  cache_write_1h 10  search 0.01  regional 1.1  fast 2  limits 1000000/128000
          claude-opus-4-7, claude-opus-4-7-20260416, claude-opus-4-6, claude-opus-4-6-20260205  input 5  output 25  cached_input 0.5  cache_write 6.25  cache_write_1h 10  search 0.01  regional 1.1  limits 1000000/128000
          claude-opus-4-5, claude-opus-4-5-20251101  input 5  output 25  cached_input 0.5  cache_write 6.25  cache_write_1h 10  search 0.01  limits 200000/64000
          claude-sonnet-5-5  input 2  output 10  cached_input 0.1  cache_write 2.5  cache_write_1h 4  search 0.01  regional 1.1  limits 1000000/128000
          claude-sonnet-5  input 2  output 10  cached_input 0.2  cache_write 2.5  cache_write_1h 4  search 0.01  regional 1.1  limits 1000000/128000
          claude-sonnet-4-6  input 3  output 15  cached_input 0.3  cache_write 3.75  cache_write_1h 6  search 0.01  regional 1.1  limits 1000000/128000
          claude-sonnet-4-5, claude-sonnet-4-5-20250929  input 3  output 15  cached_input 0.3  cache_write 3.75  cache_write_1h 6  search 0.01  limits 200000/64000
          claude-haiku-5-5  input 0.1  output 0.5  cached_input 0.01  cache_write 0.125  cache_write_1h 0.2  search 0.01  regional 1.1  limits 1000000/128000
            above 100000  input 0.5  output 2.5  cached_input 0.05  cache_write 0.625  cache_write_1h 1
          claude-haiku-4-5, claude-haiku-4-5-20251001  input 1  output 5  cached_input 0.1  cache_write 1.25  cache_write_1h 2  limits 200000/64000
          claude-fable-5  input 10  output 50  cached_input 1  cache_write 12.5  cache_write_1h 20  search 0.01  regional 1.1  limits 1000000/128000
          claude-fable-5-1  input 10  output 50  cached_input 0.25  cache_write 12.5  cache_write_1h 20  search 0.01  regional 1.1  limits 1000000/128000
          claude-mythos-5  input 10  output 50  cached_input 1  cache_write 12.5  cache_write_1h 20  search 0.01  regional 1.1  limits 1000000/128000
          claude-mythos-5-1  input 10  output 50  cached_input 0.25  cache_write 12.5  cache_write_1h 20  search 0.01  regional 1.1  limits 1000000/128000

        gemini
          gemini-2.5-pro  input 1.25  output 10  cached_input 0.125  search_prompt 0.035  limits 1048576/65536
            flex  input 0.625  output 5
            priority  input 2.25  output 18  cached_input 0.225
            above 200000  input 2.5  output 15  cached_input 0.25
            priority above 200000  input 4.5  output 27  cached_input 0.45
          gemini-2.5-flash  input 0.3  output 2.5  cached_input 0.03  reasoning 2.5  input_audio 1  cached_audio 0.1  search_prompt 0.035  limits 1048576/65536
            flex  input 0.15  output 1.25
            priority  input 0.54  output 4.5  cached_input 0.054  input_audio 1.8
          gemini-2.5-flash-lite  input 0.1  output 0.4  cached_input 0.01  reasoning 0.4  input_audio 0.3  cached_audio 0.03  search_prompt 0.035  limits 1048576/65536
            flex  input 0.05  output 0.2
            priority  input 0.18  output 0.72  cached_input 0.018  input_audio 0.54
          gemini-3-flash-preview  input 0.5  output 3  cached_input 0.05  reasoning 3  input_audio 1  cached_audio 0.1  search 0.014  limits 1048576/65536
            flex  input 0.25  output 1.5
            priority  input 0.9  output 5.4  cached_input 0.09  input_audio 1.8
          gemini-3.1-pro-preview  input 2  output 12  cached_input 0.2  search 0.014  limits 1048576/65536
            flex  input 1  output 6
            priority  input 3.6  output 21.6  cached_input 0.36
            above 200000  input 4  output 18  cached_input 0.4
            priority above 200000  input 7.2  output 32.4  cached_input 0.72
          gemini-3.1-flash-lite  input 0.25  output 1.5  cached_input 0.025  reasoning 1.5  input_audio 0.5  cached_audio 0.05  search 0.014  limits 1048576/65536
            flex  input 0.125  output 0.75  cached_input 0.0125
            priority  input 0.45  output 2.7  cached_input 0.045  input_audio 0.9
          gemini-3.5-flash  input 1.5  output 9  cached_input 0.15  reasoning 9  input_audio 1.5  search 0.014  limits 1048576/65536
            flex  input 0.75  output 4.5  cached_input 0.08
            priority  input 2.7  output 16.2  cached_input 0.27  input_audio 2.7
          gemini-3.5-flash-lite  input 0.3  output 2.5  cached_input 0.03  reasoning 2.5  search 0.014  limits 1048576/65536
            flex  input 0.15  output 1.25  cached_input 0.02
            priority  input 0.54  output 4.5  cached_input 0.05
          gemini-3.6-flash, gemini-3.7-flash, gemini-3.8-flash, gemini-flash-latest  input 0.75  output 3.75  cached_input 0.075  reasoning 3.75  search 0.014  limits 1048576/65536
            flex  input 0.375  output 1.875  cached_input 0.0375
            priority  input 1.35  output 6.75  cached_input 0.135
          gemini-flash-lite-latest  input 0.3  output 2.5  cached_input 0.03  reasoning 2.5  search 0.014  limits 1048576/65536
            flex  input 0.15  output 1.25  cached_input 0.02
            priority  input 0.54  output 4.5  cached_input 0.05
          gemini-pro-latest  input 2  output 12  cached_input 0.2  search 0.014  limits 1048576/65536
            flex  input 1  output 6
            priority  input 3.6  output 21.6  cached_input 0.36
            above 200000  input 4  output 18  cached_input 0.4
            priority above 200000  input 7.2  output 32.4  cached_input 0.72
          gemini-embedding-001  mode embedding  input 0.15  output 0  limits 2048/-

        mistral
          mistral-large-latest  input 0.5  output 1.5  cached_input 0.05  limits 262144/262144
          mistral-medium-latest  input 1.5  output 7.5  cached_input 0.15  limits 262144/262144
          mistral-small-latest  input 0.15  output 0.6  cached_input 0.015  limits 262144/262144
          codestral-latest  input 0.3  output 0.9  cached_input 0.03  limits 128000/128000
          mistral-ocr-latest  mode ocr  page 0.004  annotated_page 0.005

        deepseek
          deepseek-chat  input 0.28  output 0.42  cached_input 0.028  cache_write 0  limits 131072/8192
          deepseek-reasoner  input 0.28  output 0.42  cached_input 0.028  limits 131072/65536

        groq
          openai/gpt-oss-120b  input 0.15  output 0.6  cached_input 0.075  search 0.005  limits 131072/65536
          openai/gpt-oss-20b  input 0.075  output 0.3  cached_input 0.0375  search 0.005  limits 131072/65536

        xai
          grok-code-fast-1  input 1  output 2  cached_input 0.2  input_image 1  limits 256000/256000
            above 200000  input 2  output 4  cached_input 0.4
          grok-4.20, grok-4.20-0309, grok-4.20-0309-non-reasoning, grok-4.20-0309-reasoning  input 1.25  output 2.5  cached_input 0.2  input_image 1.25  limits 1000000/1000000
            above 200000  input 2.5  output 5  cached_input 0.4

        perplexity
          sonar  input 1  output 1  search 0.008  search_low 0.005  search_high 0.012  limits 128000/-
          sonar-pro  input 3  output 15  search 0.01  search_low 0.006  search_high 0.014  limits 200000/8000
          sonar-reasoning-pro  input 2  output 8  search 0.01  search_low 0.006  search_high 0.014  limits 128000/-

        cerebras
          gpt-oss-120b  input 0.35  output 0.75  limits 131072/32768

        zai
          glm-4.6  input 0.6  output 2.2  cached_input 0.11  cache_write 0  limits 200000/128000
        """
}
